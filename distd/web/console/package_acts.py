"""What becomes of a package: edited, superseded, deactivated, withdrawn, deleted, verified. Each page says first whom
that touches, and does it when the operator agrees."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, DistdError
from distd.domain.page import Window
from distd.domain.results import Outcome
from distd.operations import jobs as job_operations
from distd.operations import packages as operations
from distd.origin.deployments import result_list
from distd.origin.packages.orders import NotifyChange, PackageEdit, SupersedeOrder, UploadSource
from distd.web.console.faults import fault_text
from distd.web.console.form_file import FORM_FILE_BYTES, read_form_with_file
from distd.web.console.frame import page
from distd.web.console.package_form import INPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.operations.operation import Operation
    from distd.origin.packages.detail import PackageDetail
    from distd.storage.uploads import Uploads
    from distd.web.console.operations import ConsoleOperations

MAX_NAMED: Final = 8  # computers that are named, of those whom an act touches
OPEN: Final = (Outcome.WAITING, Outcome.NOTIFIED, Outcome.DOWNLOADING)
# Acts that need nothing but an agreement.
CONFIRMED: Final[Mapping[str, Operation[Any]]] = {
    "deactivate": operations.DEACTIVATE,
    "withdraw": operations.WITHDRAW,
    "delete": operations.DELETE,
    "verify": job_operations.VERIFY,
}
# The states in which computers are that an act touches.
TOUCHED: Final[Mapping[str, tuple[Outcome, ...]]] = {
    "deactivate": (Outcome.WAITING,),
    "withdraw": OPEN,
    "delete": OPEN,
    "verify": (),
    "edit": OPEN,
    "supersede": OPEN,
}
NOTIFY_TEXTS: Final = ("text", "done_action_text")
NOTIFY_CHOICES: Final = ("can_abort", "can_delay")


class PackageActPages:
    """A page for each act."""

    def __init__(self, asked: ConsoleOperations, uploads: Uploads) -> None:
        self._asked = asked
        self._uploads = uploads

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/packages/<package_id>/<any(deactivate,withdraw,delete,verify,edit,supersede):act>")
        async def ask_package_act(package_id: str, act: str) -> Response:
            return await self._show(package_id, act, {}, {})

        @app.post("/packages/<package_id>/<any(deactivate,withdraw,delete,verify):act>")
        async def do_package_act(package_id: str, act: str) -> Response | PlainResponse:
            try:
                done = await self._asked.do(CONFIRMED[act], package_id)
            except Conflict as error:
                return await self._show(package_id, act, {}, {"": fault_text(error)}, 409)
            return redirect(f"/jobs/{done.job}" if act == "verify" else f"/packages/{package_id}", 303)

        @app.post("/packages/<package_id>/edit")
        async def edit_package(package_id: str) -> Response | PlainResponse:
            values = dict(await request.form)
            seen = await self._asked.do(operations.SHOW, package_id)
            try:
                _check_seen(seen, values)
                await self._asked.do(operations.EDIT, package_id, given=_edit(seen, values), seen=seen)
            except DistdError as error:
                return await self._refuse(package_id, "edit", values, error)
            return redirect(f"/packages/{package_id}", 303)

        @app.post("/packages/<package_id>/supersede")
        async def supersede_package(package_id: str) -> Response | PlainResponse:
            self._asked.demand(operations.EDIT.act)
            values: Mapping[str, str] = {}
            try:
                values = await read_form_with_file(self._uploads, self._asked)
                order = _successor(values)
                created = await self._asked.do(job_operations.SUPERSEDE, package_id, given=order)
            except DistdError as error:
                return await self._refuse(package_id, "supersede", values, error)
            return redirect(f"/jobs/{created.job}", 303)

    async def _refuse(self, package_id: str, act: str, values: Mapping[str, str], error: DistdError) -> Response:
        field = str(getattr(error, "field", ""))
        place = INPUTS.get(field, field)
        known = place if place in ("name", "description", "priority", "target", "file", "notify_text") else ""
        status = 409 if isinstance(error, Conflict) else 400
        return await self._show(package_id, act, values, {known: fault_text(error)}, status)

    async def _show(
        self, package_id: str, act: str, values: Mapping[str, str], faults: Mapping[str, str], status: int = 200
    ) -> Response:
        """The page of an act, which says whom it touches."""
        who = self._asked.demand(operations.EDIT.act)
        package = await self._asked.do(operations.SHOW, package_id)
        states, named = TOUCHED[act], []
        if states:
            read = partial(
                result_list.results, package_id=package_id, states=states, window=Window(MAX_NAMED), actor=who.actor
            )
            named = (await self._asked.reader.run(read)).items
        return await page(
            "package_act.html",
            status,
            act=act,
            package=package,
            values=_shown(package, values),
            faults=faults,
            named=named,
            upload_bytes=who.site.settings.limits.upload_mib << 20,
            form_file_bytes=FORM_FILE_BYTES,
            touched=sum(package.counters[state.lower()] for state in states),
        )


def _values(package: PackageDetail) -> dict[str, str]:
    """What the form of `edit` begins with."""
    notify = package.notify
    values = {name: str(getattr(package, name)) for name in ("name", "description", "priority", "target", "version")}
    values |= {f"notify_{name}": getattr(notify, name) for name in NOTIFY_TEXTS}
    values |= {f"notify_{name}": "1" for name in NOTIFY_CHOICES if getattr(notify, name)}
    return values | {"notify_countdown_s": str(notify.countdown_s or "")}


def _shown(package: PackageDetail, typed: Mapping[str, str]) -> dict[str, str]:
    """What the form shows: what was typed, or how the package is. A box that was not ticked was not sent."""
    boxes = () if not typed else tuple(f"notify_{name}" for name in NOTIFY_CHOICES)
    return {name: text for name, text in _values(package).items() if name not in boxes} | dict(typed)


def _check_seen(package: PackageDetail, values: Mapping[str, str]) -> None:
    if values.get("version") != str(package.version):
        raise Conflict("package", "it was changed by somebody else meanwhile", "look at it, and try again")


def _edit(package: PackageDetail, values: Mapping[str, str]) -> PackageEdit:
    """What differs from how the package is. Raises `BadInput`."""
    before = _values(package)
    new = {name: values.get(name, "").strip().replace("\r\n", "\n") for name in before}
    texts = {name: new[name] for name in ("name", "description", "target") if new[name] != before[name]}
    countdown_s, priority = new["notify_countdown_s"] or "0", new["priority"]
    for name, text in (("priority", priority), ("notify_countdown_s", countdown_s)):
        if not (text.isascii() and text.isdecimal() and len(text) < 6):
            raise BadInput(name, "a number", text)
    notify = NotifyChange(
        text=new["notify_text"],
        countdown_s=int(countdown_s),
        can_abort=bool(values.get("notify_can_abort")),
        can_delay=bool(values.get("notify_can_delay")),
        done_action_text=new["notify_done_action_text"],
    )
    changed = int(priority) if priority != before["priority"] else None
    return PackageEdit(priority=changed, notify=notify, **texts)


def _successor(values: Mapping[str, str]) -> SupersedeOrder:
    """Raises `BadInput`."""
    upload = values.get("upload", "")
    if not upload:
        raise BadInput("source", "a file", "nothing")
    return SupersedeOrder(
        source=UploadSource(upload, remove=True),
        name=values.get("name", "").strip() or None,
        target=values.get("target", "").strip() or None,
        with_assignments=bool(values.get("with_assignments")),
    )
