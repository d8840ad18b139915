"""/jobs/{id}: how far the work on a package is, and what has become of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response, redirect, request

from distd.operations import jobs as operations
from distd.origin.jobs.jobs import JobKind, JobState
from distd.web.console.frame import is_fragment, page

if TYPE_CHECKING:
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.origin.jobs.jobs import Job
    from distd.web.console.operations import ConsoleOperations


class JobPages:
    """A job, and its cancelling."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/jobs/<job_id>")
        async def job(job_id: str) -> Response | PlainResponse:
            found = await self._asked.do(operations.SHOW, job_id)
            is_made = found.state == JobState.DONE and found.kind != JobKind.VERIFY
            if is_made:
                return _go(f"/packages/{found.package}?job={found.id}")
            back = request.query_string.decode("ascii", "replace") if request.args.get("name") else ""
            return await page("job.html", job=found, back=back, is_running=_is_running(found))

        @app.post("/jobs/<job_id>/cancel")
        async def cancel_job(job_id: str) -> PlainResponse:
            await self._asked.do(operations.CANCEL, job_id)
            return redirect(f"/jobs/{job_id}", 303)


def _is_running(job: Job) -> bool:
    return job.state == JobState.RUNNING


def _go(path: str) -> Response | PlainResponse:
    """To another page, also where htmx asks for a part of this one."""
    return Response("", 200, {"HX-Redirect": path}) if is_fragment() else redirect(path, 303)
