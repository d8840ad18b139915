"""/components: every component of the design system on one page, for who works on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.web.console.charts import ring
from distd.web.console.frame import page

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio

SAMPLE: Final = {"success": 1184, "downloading": 232, "notified": 88, "waiting": 452, "failed": 44, "archived": 0}


class ComponentPages:
    """That page."""

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get("/components")
        async def components() -> Response:
            return await page("components.html", sample=SAMPLE, ring=ring(SAMPLE), as_path="?sort={}".format)
