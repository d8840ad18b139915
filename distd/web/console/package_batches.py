"""/package-acts: what is done to several packages that were chosen in the list. It says first whom that touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, DistdError, NotFound, Unavailable
from distd.operations import packages as operations
from distd.origin.packages import overview
from distd.web.console.faults import fault_text
from distd.web.console.frame import page
from distd.web.console.links import address
from distd.web.console.package_acts import TOUCHED
from distd.web.console.package_looks import LOOKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.operations.operation import Operation
    from distd.origin.packages.overview import ListedPackage
    from distd.web.console.operations import ConsoleOperations

MAX_CHOSEN: Final = 100  # packages of one act
ACTS: Final[Mapping[str, Operation[Any]]] = {
    "activate": operations.ACTIVATE,
    "deactivate": operations.DEACTIVATE,
    "withdraw": operations.WITHDRAW,
    "delete": operations.DELETE,
}
# What may become of a package in each state, for what is said before.
FITTING: Final[Mapping[str, tuple[str, ...]]] = {
    "activate": ("INACTIVE", "PLANNED", "SUPERSEDED"),
    "deactivate": ("ACTIVE", "PLANNED"),
    "withdraw": ("ACTIVE", "PLANNED", "INACTIVE", "SUPERSEDED"),
    "delete": ("INACTIVE", "SUPERSEDED", "WITHDRAWN"),
}


class PackageBatchPages:
    """One page for all acts."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.post("/package-acts")
        async def act_on_packages() -> Response | PlainResponse:
            form = await request.form
            chosen, act = list(dict.fromkeys(form.getlist("package"))), form.get("act", "")
            if act not in ACTS:
                raise BadInput("act", f"one of {', '.join(ACTS)}", act)
            self._asked.demand(ACTS[act].act)
            if not 0 < len(chosen) <= MAX_CHOSEN:
                raise BadInput("packages", f"1 to {MAX_CHOSEN} packages that are chosen in the list", len(chosen))
            if form.get("step") != "do":
                return await self._show(act, chosen, {})
            faults = await self._do(act, chosen)
            if faults:
                return await self._show(act, list(faults), faults, len(chosen) - len(faults))
            return redirect(address("/packages", {"said": act, "n": len(chosen)}), 303)

    async def _do(self, act: str, chosen: Sequence[str]) -> dict[str, str]:
        """Each by itself; what was refused, by its package, with why."""
        faults: dict[str, str] = {}
        given = operations.Activation() if act == "activate" else None
        for package_id in chosen:
            try:
                await self._asked.do(ACTS[act], package_id, given=given)
            except (BadInput, Conflict, NotFound, Unavailable) as error:
                faults[package_id] = fault_text(error)
            except DistdError as error:
                faults[package_id] = str(error)
        return faults

    async def _show(self, act: str, chosen: Sequence[str], faults: Mapping[str, str], done: int = 0) -> Response:
        def load(conn: Connection) -> list[ListedPackage]:
            return [overview.show(conn, package_id) for package_id in chosen]

        found = await self._asked.reader.run(load)
        touched = {each.id: sum(each.counters[state.lower()] for state in TOUCHED.get(act, ())) for each in found}
        if act == "activate":
            touched = {each.id: each.waiting for each in found}
        fits = {each.id: each.state in FITTING[act] for each in found}
        return await page(
            "package_batch.html",
            409 if faults else 200,
            act=act,
            found=found,
            touched=touched,
            fits=fits,
            faults=faults,
            done=done,
            looks=LOOKS,
        )
