"""Pages of the acts on a deployment: validate, unassign, notify again, cancel. Each says first whom it touches."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.permissions import Act
from distd.origin.deployments import acts
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.result_list import read_states
from distd.origin.packages import overview
from distd.web.console.faults import fault_text
from distd.web.console.frame import page
from distd.web.console.links import address, of_computer, of_deployment

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as PlainResponse

    from distd.operations.operation import Asked
    from distd.origin.deployments.acts import ActDone
    from distd.origin.packages.overview import ListedPackage
    from distd.web.console.use_cases import UseCases

NAMED: Final = 20  # computers that a page names
MAX_NAMED: Final = 10_000  # that a form names


class DeploymentActPages:
    """/packages/{id}/acts/{act}."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/packages/<package_id>/acts/<act>")
        async def ask_act(package_id: str, act: str) -> Response:
            return await self._ask(package_id, act)

        @app.post("/packages/<package_id>/acts/<act>")
        async def do_act(package_id: str, act: str) -> Response | PlainResponse:
            chosen, force = _chosen(await request.form)

            def do(conn: Connection, asked: Asked) -> ActDone:
                return _run(conn, asked, package_id, act, chosen, force=force, dry_run=False)

            done = await self._use_cases.write(Act.DEPLOYMENTS_WRITE, do)
            if chosen.device_ids is not None and len(chosen.device_ids) == 1:
                return redirect(of_computer(chosen.device_ids[0]), 303)
            return redirect(address(of_deployment(package_id), {"said": act, "n": len(done.computers)}), 303)

    async def _ask(self, package_id: str, act: str) -> Response:
        chosen, force = _chosen(request.args)

        def read(conn: Connection, asked: Asked) -> tuple[ListedPackage, ActDone | None, str]:
            package = overview.show(conn, package_id)
            try:
                return package, _run(conn, asked, package_id, act, chosen, force=force, dry_run=True), ""
            except Conflict as error:
                return package, None, fault_text(error)

        package, tried, refusal = await self._use_cases.read(Act.DEPLOYMENTS_WRITE, read)
        return await page(
            "deployment_act.html",
            409 if refusal else 200,
            package=package,
            act=act,
            chosen=chosen,
            force=force,
            tried=tried,
            refusal=refusal,
            named=[] if tried is None else tried.computers[:NAMED],
            computer_link=of_computer,
            back=of_deployment(package_id),
        )


def _run(
    conn: Connection,
    asked: Asked,
    package_id: str,
    act: str,
    chosen: ChosenAssignments,
    *,
    force: bool,
    dry_run: bool,
) -> ActDone:
    if act not in acts.ACTS:
        raise NotFound("act", f"one of {', '.join(acts.ACTS)}", act)
    run = partial(acts.ACTS[act], conn, asked.actor, package_id, chosen, asked.now_s, dry_run=dry_run)
    return run(force=True) if act == "renotify" and force else run()


def _chosen(values: MultiDict[str, str]) -> tuple[ChosenAssignments, bool]:
    names = [name for name in values.getlist("computer") if name]
    if len(names) > MAX_NAMED:
        raise BadInput("computer", f"at most {MAX_NAMED}", len(names))
    states = read_states([text for text in values.getlist("state") if text], "state")
    codes = [text for text in values.getlist("code") if text]
    return ChosenAssignments(states, codes, names or None), values.get("force") == "yes"
