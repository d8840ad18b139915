"""/packages/{id}: all that is known of a package, and what can be done with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from quart import request

from distd.domain.errors import NotFound
from distd.operations import jobs as job_operations
from distd.operations import packages as operations
from distd.origin.mirrors.readiness import readiness
from distd.origin.packages.overview import PackageState
from distd.web.console.frame import now_s, page
from distd.web.console.package_looks import LOOKS

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio

    from distd.origin.packages.detail import PackageDetail
    from distd.web.console.operations import ConsoleOperations


class OnePackagePages:
    """That page."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get("/packages/<package_id>")
        async def package(package_id: str) -> Response:
            found = await self._asked.do(operations.SHOW, package_id)
            mirrors = await self._asked.reader.run(partial(readiness, package_id=package_id, now_s=now_s()))
            return await page(
                "package.html",
                package=found,
                counters={name: count for name, count in found.counters.items() if name != "unproven"},
                mirrors=mirrors,
                folder=str(self._asked.site().data.package(package_id)),
                looks=LOOKS,
                is_there=found.state not in (PackageState.DELETED, PackageState.WITHDRAWN),
                made=await self._made(found),
            )

        @app.get("/packages/<package_id>/mirrors")
        async def package_mirrors(package_id: str) -> Response:
            found = await self._asked.do(operations.SHOW, package_id)
            mirrors = await self._asked.reader.run(partial(readiness, package_id=package_id, now_s=now_s()))
            return await page("package_mirrors.html", package=found, mirrors=mirrors)

    async def _made(self, package: PackageDetail) -> Any:
        """The job that has just made it; None: it was not made just now."""
        job_id = request.args.get("job", "")
        if not job_id:
            return None
        try:
            job = await self._asked.do(job_operations.SHOW, job_id)
        except NotFound:
            return None
        return job if job.package == package.id else None
