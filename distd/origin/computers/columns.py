"""What is told of computers by the names of fields: the columns of a list that were chosen."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue import dialect
from distd.catalogue.schema import computer_accounts, computers, interfaces, seconds
from distd.domain.errors import BadInput
from distd.domain.filters.fields import ACCOUNT, Kind, account_key, find_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.filters.fields import FilterField

MAX_COLUMNS: Final = 40


def read_columns(text: str) -> tuple[FilterField, ...]:
    """Fields with commas between them; none for an empty text. Raises `BadInput`."""
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    if len(names) > MAX_COLUMNS:
        raise BadInput("columns", f"at most {MAX_COLUMNS} fields", len(names))
    try:
        return tuple({field.name: field for field in map(find_field, names)}.values())
    except BadInput as error:
        raise BadInput("columns", error.expected, error.got, error.hint) from None


def column_name(field: FilterField) -> str:
    """The name of the values in JSON and CSV, with their unit: "memory_bytes", "last_contact_at_s"."""
    units = {Kind.SIZE: "_bytes", Kind.TIME: "_at_s"}
    return f"{field.name}{units.get(field.kind, '')}"


def read_values(conn: Connection, ids: Sequence[int], fields: Sequence[FilterField]) -> list[dict[str, Any]]:
    """The values of these computers, in their order, by `column_name`. Texts are empty and numbers None where nothing
    is known; of a field that has several values they are a list."""
    found: dict[int, dict[str, Any]] = {}
    for some in dialect.chunks(ids):
        found |= _read(conn, some, fields)
    return [found[computer_id] for computer_id in ids if computer_id in found]


def _read(conn: Connection, ids: Sequence[int], fields: Sequence[FilterField]) -> dict[int, dict[str, Any]]:
    single = [field for field in fields if not field.many and not field.name.startswith(ACCOUNT)]
    query = select(computers.c.id, *(computers.c[field.column].label(f"_{field.name}") for field in single))
    rows = {row["id"]: row for row in conn.execute(query.where(computers.c.id.in_(ids))).mappings()}
    others = {field.name: _of_others(conn, ids, field) for field in fields if field not in single}
    return {
        computer_id: {
            column_name(field): others[field.name].get(computer_id, [] if field.many else "")
            if field.name in others
            else _shown(field, row[f"_{field.name}"])
            for field in fields
        }
        for computer_id, row in rows.items()
    }


def _of_others(conn: Connection, ids: Sequence[int], field: FilterField) -> Mapping[int, Any]:
    key = account_key(field.name)
    if key is not None:
        accounts = computer_accounts.c
        query = select(accounts.computer_id, accounts.value)
        rows = conn.execute(query.where(accounts.key_key == key, accounts.computer_id.in_(ids)))
        return {row.computer_id: row.value for row in rows}
    column = interfaces.c[field.column]
    query = select(interfaces.c.computer_id, column).where(interfaces.c.computer_id.in_(ids), column != "")
    found: dict[int, dict[str, None]] = defaultdict(dict)
    pairs: Iterable[Any] = conn.execute(query.order_by(interfaces.c.computer_id, interfaces.c.position))
    for computer_id, value in pairs:
        found[computer_id][value] = None
    return {computer_id: list(values) for computer_id, values in found.items()}


def _shown(field: FilterField, value: Any) -> Any:
    match field.kind:
        case Kind.TIME:
            return seconds(value)
        case Kind.NUMBER | Kind.SIZE:
            return value
    return value or ""
