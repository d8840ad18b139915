"""The search of computers as rows beside its text: what the form sends, what it shows, and values that are offered."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from quart import request

from distd.domain.errors import BadInput
from distd.domain.filters import rows
from distd.domain.filters.fields import ACCOUNT, FIELDS, Kind, find_field
from distd.domain.filters.parse import MAX_TEXT
from distd.domain.filters.render import quote, render_field
from distd.domain.filters.rows import CriterionRow, Join, RowGroup
from distd.domain.permissions import Act
from distd.origin.computers import filter_completion
from distd.web.console.faults import fault_text
from distd.web.console.frame import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.domain.filters.rows import Path, ReadRows
    from distd.operations.operation import Asked
    from distd.web.console.use_cases import UseCases

ROOT: Final = "1"  # the path of the outer group, as inputs are named: join-1, field-1-0, join-1-1, field-1-1-0
PATH: Final = re.compile(rf"(field|join)-1((?:-[0-9]{{1,2}}){{0,{rows.MAX_LEVELS}}})")
ACT: Final = re.compile(rf"(add|group|remove) 1((?:-[0-9]{{1,2}}){{0,{rows.MAX_LEVELS}}})")
MAX_OFFERED: Final = 40  # keys of account info
# What comes first in the menu of fields.
USUAL: Final = (
    rows.WORD,
    *("name", "os", "tag", "user", "ip", "last_contact"),
    rows.SOFTWARE,
    rows.PACKAGE,
    rows.GROUP,
)
# Operators of a row whose field is not chosen yet: all that fields have.
ALL_OPERATORS: Final = tuple(dict.fromkeys(op for kind in Kind for op in rows.OPERATORS[kind]))
PLACEHOLDERS: Final = {rows.SOFTWARE: "*firefox*", rows.TEXT: "memory < 8GiB OR cores < 4"}
KIND_PLACEHOLDERS: Final = {
    Kind.SIZE: "8GiB",
    Kind.TIME: "30d, 2026-11-26",
    Kind.ADDRESS: "10.1.0.0/16",
    Kind.MAC: "00:1a:2b:3c:4d:5e",
}
# Before the value that is typed, where the field is none.
_BEFORE: Final = {rows.SOFTWARE: "software(", rows.PACKAGE: "package(", rows.GROUP: "group("}
_VALUES: Final = ("value", "field", "software", "package", "group")  # kinds of suggestions that are values


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row with the path of its inputs, and what they offer. `is_last`: it is the empty one at the end."""

    path: str
    row: CriterionRow
    operators: tuple[str, ...]
    placeholder: str
    fault: str = ""
    is_last: bool = False

    @property
    def is_time(self) -> bool:
        """Whether it compares times, which are before and after one another."""
        return kind_of(self.row.field) is Kind.TIME


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A group with the path of its inputs."""

    path: str
    join: str
    parts: tuple[ShownRow | ShownGroup, ...]


@dataclass(frozen=True, slots=True)
class SentCriteria:
    """What a form of rows has sent: the rows as they are to be shown, what they say, and whether nothing of them is to
    be completed, so that the text says it all."""

    group: RowGroup
    read: ReadRows
    is_settled: bool


def is_sent(values: Mapping[str, str]) -> bool:
    """Whether a request comes from the form of rows."""
    return f"join-{ROOT}" in values


def read_criteria(values: Mapping[str, str]) -> SentCriteria:
    """The rows of a form, after what its button does. Raises `BadInput` for too many."""
    group = _group_of(values, _parts(values), ())
    act, is_adding = ACT.fullmatch(values.get("act", "")), False
    if act is not None:
        path = _path(act[2])
        group = rows.changed(group, path, act[1])
        is_adding = act[1] != "remove"
    read = rows.read_rows(group)
    return SentCriteria(group, read, not (is_adding or read.faults or rows.has_incomplete(group)))


def show_group(group: RowGroup, faults: Mapping[Path, BadInput] | None = None) -> ShownGroup:
    """What the form shows: at its end an empty row, where there is none."""
    if rows.BLANK not in group.parts:
        group = replace(group, parts=(*group.parts, rows.BLANK))
    return _show_group(group, (), faults or {})


def kind_of(field: str) -> Kind | None:
    """The kind of a field; None: it is none."""
    try:
        return find_field(field).kind
    except BadInput:
        return None


class CriteriaPages:
    """/search/values: what completes the values of rows."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/search/values")
        async def complete_value() -> Response:
            at = request.args.get("at", "")
            before = _text_before(request.args.get(f"field-{at}", ""))
            typed = request.args.get(f"value-{at}", "")
            text = before + quote(typed)[:-1] if before else ""
            found: list[str] = []
            if before and len(text) <= MAX_TEXT:
                complete = partial(_complete, text=text)
                found = await self._use_cases.read(Act.FILTERS_READ, complete)
            return await page("criteria_values.html", values=found)


def account_fields(conn: Connection, asked: Asked) -> list[str]:
    """The keys of account info that computers have, as fields; those that most have first."""
    found = filter_completion.complete(conn, ACCOUNT, len(ACCOUNT), asked.actor)
    return [each.text.replace('"', "") for each in found.suggestions if each.kind == "field"][:MAX_OFFERED]


def field_groups(accounts: list[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The menu of fields, in groups with their names."""
    return (
        ("Usual", USUAL),
        ("All fields", tuple(name for name in FIELDS if name not in USUAL)),
        ("Account info", tuple(accounts)),
        ("Filter as text", (rows.TEXT,)),
    )


def _complete(conn: Connection, asked: Asked, text: str) -> list[str]:
    try:
        found = filter_completion.complete(conn, text, len(text), asked.actor)
    except BadInput:
        return []
    return [_unquoted(each.text) for each in found.suggestions if each.kind in _VALUES]


def _text_before(field: str) -> str:
    """The text of a filter up to a value of this row; "": it has no values to offer."""
    if field in _BEFORE:
        return _BEFORE[field]
    kind = kind_of(field)
    return f"{render_field(find_field(field).name)} = " if kind is not None else ""


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _path(text: str) -> Path:
    return tuple(int(each) for each in text.split("-") if each)


def _name(path: Path) -> str:
    return "-".join((ROOT, *map(str, path)))


def _parts(values: Mapping[str, str]) -> dict[Path, list[Path]]:
    """The paths of what each group has, in order."""
    found: dict[Path, list[Path]] = {(): []}
    paths = {_path(match[2]) for match in map(PATH.fullmatch, values) if match is not None}
    for path in sorted(path for path in paths if path):
        found.setdefault(path[:-1], []).append(path)
    return found


def _group_of(values: Mapping[str, str], parts: Mapping[Path, list[Path]], path: Path) -> RowGroup:
    join = values.get(f"join-{_name(path)}", "")
    made: list[CriterionRow | RowGroup] = []
    for each in parts.get(path, ()):
        is_group = f"join-{_name(each)}" in values
        made.append(_group_of(values, parts, each) if is_group else _row_of(values, _name(each)))
    kept = [part for part in made if path or part != rows.BLANK]
    return RowGroup(Join(join) if join in set(Join) else Join.ALL, tuple(kept))


def _row_of(values: Mapping[str, str], name: str) -> CriterionRow:
    """What a row says. A text without a field is looked for everywhere; an operator that its field has not gives way
    to the first that it has."""
    field, op, value, version_op, version = (
        values.get(f"{part}-{name}", "") for part in ("field", "op", "value", "version_op", "version")
    )
    if not field:
        return CriterionRow(rows.WORD, "~", value) if value.strip() else rows.BLANK
    offered = rows.operators_of_row(field)
    software = (version_op, version) if field == rows.SOFTWARE else ("", "")
    kept = "" if op in rows.WITHOUT_VALUE and op in offered else value
    return CriterionRow(field, op if op in offered else offered[0], kept, *software)


def _show_group(group: RowGroup, path: Path, faults: Mapping[Path, BadInput]) -> ShownGroup:
    parts: list[ShownRow | ShownGroup] = []
    for place, part in enumerate(group.parts):
        here = (*path, place)
        if isinstance(part, RowGroup):
            parts.append(_show_group(part, here, faults))
        else:
            is_last = not path and part == rows.BLANK
            parts.append(_show_row(part, here, faults.get(here), is_last=is_last))
    return ShownGroup(_name(path), str(group.join), tuple(parts))


def _show_row(row: CriterionRow, path: Path, fault: BadInput | None, *, is_last: bool) -> ShownRow:
    kind = kind_of(row.field)
    operators = rows.operators_of_row(row.field) if row.field else ALL_OPERATORS
    placeholder = PLACEHOLDERS.get(row.field) or ("" if kind is None else KIND_PLACEHOLDERS.get(kind, ""))
    if row.op in ("in", "not in"):
        placeholder = "a, b"
    return ShownRow(_name(path), row, operators, placeholder, "" if fault is None else fault_text(fault), is_last)
