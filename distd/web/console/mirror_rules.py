"""/mirror-rules: the rules that choose the mirror of a computer, in their order; and what they do to one computer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.mirror_rules import MAX_RULES, Field, Op
from distd.domain.page import Window
from distd.operations import mirrors as operations
from distd.operations.mirrors import RuleList
from distd.origin.computers import computers
from distd.origin.computers.computers import WantedComputers
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.web.console.faults import fault_status, fault_text
from distd.web.console.frame import page
from distd.web.console.links import of_mirror

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as PlainResponse

    from distd.operations.operation import Asked
    from distd.web.console.use_cases import UseCases

PATH: Final = "/mirror-rules"
MAX_PACKAGES: Final = 1000  # that can be chosen from, the newest
MAX_OFFERED: Final = 8  # computers, where what was typed finds several
MOVES: Final = {"up": -1, "down": 1}


class MirrorRulePages:
    """That page. All rules are one form; each button saves them, with what it changes."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases
        self._asked = use_cases.operations

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(PATH)
        async def mirror_rules() -> Response:
            return await self._show()

        @app.post(PATH)
        async def set_mirror_rules() -> Response | PlainResponse:
            self._asked.demand(operations.SET_RULES.act)
            form = await request.form
            rules, moved = changed(_rules_of(form), form)
            seen = RuleList(tuple(form.getlist("seen")))
            try:
                now = await self._asked.do(operations.RULES)
                if now != seen:
                    raise Conflict(
                        "rules", "somebody else has changed the rules meanwhile", "look at them, and try again"
                    )
                await self._asked.do(operations.SET_RULES, given=RuleList(tuple(rules)))
            except (BadInput, Conflict) as error:
                return await self._show(fault_text(error), fault_status(error))
            return redirect(f"{PATH}?moved={moved}" if moved else PATH, 303)

    async def _show(self, fault: str = "", status: int = 200) -> Response:
        found = await self._asked.do(operations.RULES)
        return await page(
            "mirror_rules.html",
            status,
            rules=[rule.split() for rule in found.rules],
            seen=found.rules,
            fields=list(Field),
            ops=list(Op),
            is_full=len(found.rules) >= MAX_RULES,
            moved=_number(request.args, "moved"),
            fault=fault,
            link_of=of_mirror,
            **await self._test(),
        )

    async def _test(self) -> dict[str, Any]:
        """What the rules do to the computer and the package of the address."""
        wanted = WantedPackages(None, True)
        active = await self._asked.reader.run(lambda conn: overview.list_packages(conn, wanted, Window(MAX_PACKAGES)))
        packages = [each for each in active.items if each.fragments]
        text, package_id = request.args.get("computer", "").strip(), request.args.get("package", "")
        values: dict[str, Any] = {"packages": packages, "computer": text, "package_id": package_id}
        values |= {"explained": None, "offered": [], "test_fault": ""}
        if not text or not package_id:
            return values
        try:
            device_id = text
            named = await self._use_cases.read(operations.EXPLAIN.act, lambda conn, asked: _find(conn, asked, text))
            if named and text not in named:
                if len(named) > 1:
                    return values | {"offered": named}
                (device_id,) = named
            explained = await self._asked.do(operations.EXPLAIN, device_id, package_id)
        except NotFound as error:
            return values | {"test_fault": fault_text(error)}
        return values | {"explained": explained}


def _find(conn: Connection, asked: Asked, text: str) -> list[str]:
    """The DEVICEIDs of computers with this in their names; where it is the name or the DEVICEID of one, that one's."""
    found = computers.list_computers(conn, WantedComputers(text), Window(MAX_OFFERED), asked.actor).items
    same = [each.device_id for each in found if text.casefold() in (each.device_id.casefold(), each.name.casefold())]
    return same[:1] or [each.device_id for each in found]


def _rules_of(form: MultiDict[str, str]) -> list[str]:
    parts = zip(form.getlist("field"), form.getlist("op"), form.getlist("compared"), strict=False)
    return [" ".join(part) for part in parts]


def changed(rules: list[str], form: MultiDict[str, str]) -> tuple[list[str], int]:
    """The rules after what the button of the form does; and the number of the one that it has moved, 0: none."""
    number = _number(form, "remove")
    if 1 <= number <= len(rules):
        return rules[: number - 1] + rules[number:], 0
    for name, by in MOVES.items():
        number = _number(form, name)
        other = number + by
        if 1 <= number <= len(rules) and 1 <= other <= len(rules):
            moved = list(rules)
            moved[number - 1], moved[other - 1] = moved[other - 1], moved[number - 1]
            return moved, other
    if "add" in form:
        new = " ".join(form.get(name, "") for name in ("new_field", "new_op", "new_compared"))
        return [*rules, new], 0
    return rules, 0


def _number(form: MultiDict[str, str], name: str) -> int:
    text = form.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
