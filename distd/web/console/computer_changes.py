"""Pages of what is changed of chosen computers: their parameters, the groups they are in, two that are one. Each says
first what would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import Window
from distd.domain.parameters import ON, PARAMETERS, read_values
from distd.domain.permissions import Act
from distd.domain.settings import TABLE
from distd.operations import computers as computer_operations
from distd.operations import groups as operations
from distd.operations.computers import MergeRequest
from distd.operations.groups import MemberLists, NewGroup
from distd.origin.computers import computers, parameters
from distd.origin.groups import groups
from distd.web.console.chosen_computers import read_chosen
from distd.web.console.faults import fault_status, fault_text
from distd.web.console.frame import page
from distd.web.console.links import address, of_computer, of_group
from distd.web.console.setting_words import unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.parameters import Number
    from distd.operations.operation import Asked
    from distd.origin.computers.parameters import ValueChange
    from distd.web.console.chosen_computers import ChosenComputers
    from distd.web.console.use_cases import UseCases

MAX_WITH_OWN: Final = 2000  # computers that get parameters of their own at once; a group is for more
MAX_GROUPS: Final = 1000  # that can be chosen from
INHERIT: Final = "inherit"  # in the place of a value: the computer's own goes
HOW: Final = ("add", "remove", "reset")


class ComputerChangePages:
    """/computer-parameters, /computer-groups, /computer-merges."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.post("/computer-parameters")
        async def set_parameters_of_chosen() -> Response | PlainResponse:
            return await self._set_parameters(await read_chosen(), await request.form)

        @app.post("/computer-groups")
        async def set_groups_of_chosen() -> Response | PlainResponse:
            return await self._set_groups(await read_chosen(), await request.form)

        @app.post("/computer-merges")
        async def merge_chosen() -> Response | PlainResponse:
            return await self._merge(await read_chosen(), await request.form)

    async def _set_parameters(self, chosen: ChosenComputers, form: Mapping[str, str]) -> Response | PlainResponse:
        step, tried, faults = form.get("step", ""), None, {}

        def change(conn: Connection, asked: Asked) -> int:
            found = _few(chosen.find(conn, asked))
            parameters.set_of_computers(conn, asked.actor, found, values, asked.now_s)
            return len(found)

        def foresee(conn: Connection, asked: Asked) -> list[ValueChange]:
            found = _few(chosen.find(conn, asked))
            return parameters.foresee_of_computers(conn, asked.actor, asked.site.settings, found, values)

        if step:
            try:
                values = _values(form)
                if step == "do":
                    return _back(chosen, "parameters", await self._use_cases.write(Act.PARAMETERS_WRITE, change))
                tried = await self._use_cases.read(Act.PARAMETERS_WRITE, foresee)
            except BadInput as error:
                faults = {error.field: fault_text(error)}
        return await page(
            "computer_parameters.html",
            400 if faults else 200,
            chosen=chosen,
            count=await self._use_cases.read(Act.PARAMETERS_WRITE, chosen.count),
            names=list(PARAMETERS),
            form=form,
            faults=faults,
            tried=tried,
            on=ON,
            inherit=INHERIT,
            unit_of=unit_of,
            ranges={name: (TABLE[name].low, TABLE[name].high) for name in PARAMETERS},
        )

    async def _set_groups(self, chosen: ChosenComputers, form: Mapping[str, str]) -> Response | PlainResponse:
        step, tried, faults, error = form.get("step", ""), None, {}, None
        if step:
            try:
                found = await self._use_cases.read(Act.GROUPS_WRITE, chosen.find)
                done = await self._change_group(found, form, is_tried=step != "do")
                if step == "do":
                    return redirect(of_group(done.name), 303)
                tried = done
            except (BadInput, Conflict, NotFound) as fault:
                error, faults = fault, {fault.field: fault_text(fault)}

        def load(conn: Connection, asked: Asked) -> list[Any]:
            return groups.list_groups(conn, asked.actor, None, Window(MAX_GROUPS)).items

        return await page(
            "computer_groups.html",
            fault_status(error),
            chosen=chosen,
            count=await self._use_cases.read(Act.GROUPS_WRITE, chosen.count),
            groups=await self._use_cases.read(Act.GROUPS_WRITE, load),
            form=form,
            faults=faults,
            tried=tried,
        )

    async def _change_group(self, found: list[str], form: Mapping[str, str], *, is_tried: bool) -> GroupTried:
        """Put computers into a group that there is, or a new one; take them out of one."""
        name, how = form.get("group", ""), form.get("how", "add")
        if how not in HOW:
            raise BadInput("how", f"one of {', '.join(HOW)}", how)
        if name:
            lists = MemberLists(**{how: tuple(found)}, dry_run=is_tried)
            done = await self._use_cases.operations.do(operations.SET_MEMBERS, name, given=lists)
            return GroupTried(done.group.name, done.joined, done.left)
        new = NewGroup(form.get("new", "").strip(), computers=tuple(found), dry_run=is_tried)
        if not new.name or how != "add":
            raise BadInput("group", "a group, or the name of a new one", "nothing")
        made = await self._use_cases.operations.do(operations.CREATE, given=new)
        return GroupTried(made.name, made.members, 0)

    async def _merge(self, chosen: ChosenComputers, form: Mapping[str, str]) -> Response | PlainResponse:
        def load(conn: Connection, asked: Asked) -> list[computers.Detail]:
            found = chosen.find(conn, asked)
            if len(found) != 2:
                raise BadInput("computers", "two computers that are one", len(found), "choose the old and the new one")
            both = [computers.show(conn, device_id, asked.actor) for device_id in found]
            return sorted(both, key=lambda each: each.computer.last_seen_at_s)

        both = await self._use_cases.read(Act.COMPUTERS_WRITE, load)
        names = [each.computer.device_id for each in both]
        new = form.get("new", "")
        if form.get("step") == "do" and new in names:
            (old,) = (name for name in names if name != new)
            await self._use_cases.operations.do(computer_operations.MERGE, given=MergeRequest(old, new))
            return redirect(of_computer(new), 303)
        return await page("computer_merge.html", chosen=chosen, both=both, new=new if new in names else names[-1])


@dataclass(frozen=True, slots=True)
class GroupTried:
    """A group, and how many would come and leave."""

    name: str
    joined: int
    left: int


def _values(form: Mapping[str, str]) -> dict[str, Number | None]:
    """What is to be set; an empty input: as it is. Raises `BadInput`."""
    texts = {name: form.get(name, "").strip() for name in PARAMETERS}
    given = {name: "" if text == INHERIT else text for name, text in texts.items() if text}
    given |= {name: "" for name in PARAMETERS if form.get(f"{INHERIT}.{name}") == "yes"}
    if not given:
        raise BadInput("parameters", "a value, or one that is inherited from now on", "nothing")
    return read_values(given)


def _few(found: list[str]) -> list[str]:
    if len(found) > MAX_WITH_OWN:
        hint = "put them into a group, and set the group's"
        raise BadInput("computers", f"at most {MAX_WITH_OWN} at once", len(found), hint)
    return found


def _back(chosen: ChosenComputers, said: str, count: int) -> PlainResponse:
    told = {"filter": chosen.filter, "show": chosen.show, "said": said, "n": count}
    return redirect(address("/computers", told), 303)
