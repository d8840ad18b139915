"""/help: a short page for each screen; and the certificate that every agent needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import Response

from distd.domain.errors import NotFound
from distd.web.console.first_steps import agent_setup
from distd.web.console.frame import is_fragment, page
from distd.web.console.help_texts import TOPICS

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.web.console.operations import ConsoleOperations, OwnServers

PATH: Final = "/help"
CERTIFICATE: Final = "/cacert.pem"


class HelpPages:
    """These pages."""

    def __init__(self, asked: ConsoleOperations, own_servers: OwnServers) -> None:
        self._asked = asked
        self._own_servers = own_servers

    def add_to(self, app: QuartTrio) -> None:
        """Add them."""

        @app.get(PATH)
        async def all_help() -> Response:
            return await page("help.html", topics=TOPICS, setup=agent_setup(self._own_servers()[1]))

        @app.get(f"{PATH}/<name>")
        async def help_on(name: str) -> Response:
            if name not in TOPICS:
                raise NotFound("path", "a page of help", name)
            return await page(
                "help_text.html" if is_fragment() else "help_topic.html", topic=TOPICS[name], is_part=is_fragment()
            )

        @app.get(CERTIFICATE)
        async def ca_certificate() -> Response:
            """Anybody may have it: it is no secret, and agents have no log-in for it."""
            path = self._asked.site().data.ca_certificate
            content = await self._asked.in_thread(path.read_bytes)
            fields = {"Content-Disposition": 'attachment; filename="cacert.pem"'}
            return Response(content, 200, fields, content_type="application/x-pem-file")
