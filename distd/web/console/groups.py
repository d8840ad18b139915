"""The pages of groups: the list, a new one, and one with who is in it, what it gives, and its parameters.

What changes who is in a group says first how many would come and leave.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict
from distd.domain.filters.patterns import escape
from distd.domain.filters.render import quote as quote_text
from distd.domain.page import Window
from distd.domain.parameters import ON, PARAMETERS, Level, read_values
from distd.domain.permissions import Act
from distd.domain.settings import TABLE
from distd.operations import acts, deployments
from distd.operations import groups as operations
from distd.operations import parameters as parameter_operations
from distd.operations.acts import ActRequest
from distd.operations.deployments import AssignmentTarget, NewAssignment
from distd.operations.groups import GroupEdit, GroupQuery, MemberLists, NewGroup
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.web.console.faults import fault_status, fault_text
from distd.web.console.frame import page
from distd.web.console.links import address, of_group
from distd.web.console.setting_words import unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.web.console.operations import ConsoleOperations

PAGE_SIZE: Final = 50
MAX_NAMED: Final = 5000  # computers in one form
MAX_PACKAGES: Final = 1000  # that can be chosen from, the newest
HOW: Final = ("add", "remove", "reset")
PATH: Final = "/groups"


class GroupPages:
    """/groups and what is below it."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(PATH)
        async def groups() -> Response:
            name = request.args.get("name", "").strip()
            query = GroupQuery(name or None, PAGE_SIZE, request.args.get("cursor") or None)
            found = await self._asked.do(operations.LIST, given=query)
            link = partial(address, PATH, {"name": name})
            return await page(
                "groups.html",
                found=found,
                name=name,
                next=link(cursor=found.next) if found.next else "",
                first=link() if query.cursor else "",
                link_of=of_group,
            )

        @app.get(f"{PATH}/new")
        async def new_group() -> Response:
            self._asked.demand(Act.GROUPS_WRITE)
            return await page("group_new.html", values=request.args, tried=None, faults={})

        @app.post(f"{PATH}/new")
        async def create_group() -> Response | PlainResponse:
            return await self._create(await request.form)

        @app.get(f"{PATH}/<name>")
        async def group(name: str) -> Response:
            return await self._show(name)

        @app.post(f"{PATH}/<name>/<any(edit,members,packages,unassign,parameters,delete):act>")
        async def change_group(name: str, act: str) -> Response | PlainResponse:
            return await self._change(name, act, await request.form)

    async def _create(self, form: Mapping[str, str]) -> Response | PlainResponse:
        """Without `step` it is only tried."""
        is_dynamic, is_tried = form.get("kind") != "static", form.get("step") != "do"
        try:
            new = NewGroup(
                name=form.get("name", "").strip(),
                description=form.get("description", "").strip(),
                filter=form.get("filter", "").strip() if is_dynamic else None,
                computers=_named(form.get("computers", "")),
                dry_run=is_tried,
            )
            made = await self._asked.do(operations.CREATE, given=new)
        except (BadInput, Conflict) as error:
            faults = {error.field: fault_text(error)}
            return await page("group_new.html", fault_status(error), values=form, tried=None, faults=faults)
        if is_tried:
            return await page("group_new.html", values=form, tried=made, faults={})
        return redirect(of_group(made.name), 303)

    async def _change(self, name: str, act: str, form: Mapping[str, str]) -> Response | PlainResponse:
        is_tried = form.get("step") == "try"
        try:
            done = await CHANGES[act](self._asked, name, form, is_tried)
        except (BadInput, Conflict) as error:
            if error.field == "group":
                raise
            return await self._show(name, act, form, {error.field: fault_text(error)}, status=fault_status(error))
        if is_tried:
            return await self._show(name, act, form, tried=done)
        if act == "delete":
            return redirect(PATH, 303)
        return redirect(of_group(done.group.name if act == "edit" else name), 303)

    async def _show(
        self,
        name: str,
        act: str = "",
        form: Mapping[str, str] | None = None,
        faults: Mapping[str, str] | None = None,
        *,
        tried: Any = None,
        status: int = 200,
    ) -> Response:
        """`act`: the form that was sent, with what is wrong with it, or what it would do."""
        found = await self._asked.do(operations.SHOW, name)
        told = await self._asked.do(parameter_operations.SHOW[Level.GROUP], found.group.name)
        active = await self._asked.reader.run(
            partial(overview.list_packages, wanted=WantedPackages(None, True), window=Window(MAX_PACKAGES))
        )
        given = {each.package_id for each in found.packages}
        return await page(
            "group.html",
            status,
            detail=found,
            group=found.group,
            path=of_group(found.group.name),
            members=address("/computers", {"filter": f"group({quote_text(escape(found.group.name))})"}),
            parameters=told,
            own={key: each for key, each in told.items() if each.origin == f"{Level.GROUP} {found.group.name}"},
            on=ON,
            unit_of=unit_of,
            ranges={key: (TABLE[key].low, TABLE[key].high) for key in PARAMETERS},
            packages=[each for each in active.items if each.id not in given],
            link_of=of_group,
            act=act,
            form=form or {},
            faults=faults or {},
            tried=tried,
        )


def _named(text: str) -> tuple[str, ...]:
    """DEVICEIDs, one in a line."""
    found = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(found) > MAX_NAMED:
        raise BadInput("computers", f"at most {MAX_NAMED:,} computers", f"{len(found):,}", "distd group add takes more")
    return found


async def _edit(asked: ConsoleOperations, name: str, form: Mapping[str, str], tried: bool) -> Any:
    given = GroupEdit(
        name=form.get("name", "").strip(),
        description=form.get("description", "").strip(),
        filter=form["filter"].strip() if "filter" in form else None,
        dry_run=tried,
    )
    return await asked.do(operations.EDIT, name, given=given)


async def _set_members(asked: ConsoleOperations, name: str, form: Mapping[str, str], tried: bool) -> Any:
    how = form.get("how", "add")
    if how not in HOW:
        raise BadInput("how", f"one of {', '.join(HOW)}", how)
    named = _named(form.get("computers", ""))
    if not named:
        raise BadInput("computers", "a DEVICEID in each line", "nothing")
    return await asked.do(operations.SET_MEMBERS, name, given=MemberLists(**{how: named}, dry_run=tried))


async def _assign(asked: ConsoleOperations, name: str, form: Mapping[str, str], tried: bool) -> Any:
    given = NewAssignment(package=form.get("package", ""), to=AssignmentTarget(group=name), dry_run=tried)
    if not given.package.isdecimal():
        raise BadInput("package", "a package", "nothing")
    return await asked.do(deployments.ASSIGN, given=given)


async def _unassign(asked: ConsoleOperations, name: str, form: Mapping[str, str], tried: bool) -> Any:
    given = ActRequest(group=name, dry_run=tried)
    return await asked.do(acts.ACTS["unassign"], form.get("package", ""), given=given)


async def _set_parameters(asked: ConsoleOperations, name: str, form: Mapping[str, str], tried: bool) -> Any:
    values = read_values({key: form.get(key, "") for key in PARAMETERS})
    given = parameter_operations.values_of(values, dry_run=tried)
    return await asked.do(parameter_operations.SET[Level.GROUP], name, given=given)


async def _delete(asked: ConsoleOperations, name: str, _form: Mapping[str, str], _tried: bool) -> Any:
    return await asked.do(operations.DELETE, name)


# What a form of the page does; each takes the operations, the group's name, the form, and whether it is only tried.
CHANGES: Final[Mapping[str, Any]] = {
    "edit": _edit,
    "members": _set_members,
    "packages": _assign,
    "unassign": _unassign,
    "parameters": _set_parameters,
    "delete": _delete,
}
