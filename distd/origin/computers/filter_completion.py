"""Completion of filters: what may come next, with the values that computers have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from distd.catalogue.groups_schema import groups
from distd.catalogue.schema import computer_accounts, computers, installed, interfaces, packages, software
from distd.domain.actor import SYSTEM
from distd.domain.filters.complete import ValueSource, place_at
from distd.domain.filters.fields import ACCOUNT, Kind, account_key
from distd.domain.filters.patterns import ESCAPE, escape, read_pattern
from distd.domain.filters.render import quote, render_field
from distd.domain.folding import fold
from distd.origin.operators.restrictions import is_restricted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection, Table

    from distd.domain.actor import Actor
    from distd.domain.filters.fields import FilterField

MAX_VALUES: Final = 20
MAX_NAMES: Final = 40  # of software, whose computers are counted
OF_COMPUTERS: Final = (ValueSource.FIELD, ValueSource.SOFTWARE, ValueSource.PUBLISHER, ValueSource.ACCOUNT)
COUNTED: Final = 10_000  # computers with one software, at most


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` in the place of what is typed. `kind`: word, field, or the source of a value. `count`: how many computers
    have it (of software up to 10,000); None: that says nothing here."""

    text: str
    kind: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Completion:
    """What may stand in the place of the characters from `start` on."""

    start: int
    suggestions: list[Suggestion]


def complete(conn: Connection, text: str, at: int, actor: Actor = SYSTEM) -> Completion:
    """What may stand at a place in a filter: values after what only the grammar knows. Who does not see all computers
    is told no values that they have. Raises `BadInput`."""
    place = place_at(text, at)
    found = [Suggestion(word, "word", None) for word in place.words]
    typed = fold(place.typed)
    if place.source in OF_COMPUTERS and is_restricted(conn, actor):
        return Completion(place.start, found)
    match place.source:
        case ValueSource.FIELD if place.field is not None:
            found += _of_field(conn, place.field, typed)
        case ValueSource.SOFTWARE:
            found += _of_software(conn, software.c.name, software.c.name_key, typed)
        case ValueSource.PUBLISHER:
            found += _of_software(conn, software.c.publisher, software.c.publisher_key, typed)
        case ValueSource.PACKAGE:
            found += _of_packages(conn, typed)
        case ValueSource.GROUP:
            query = select(groups.c.name).where(_begins(groups.c.name_key, typed)).order_by(groups.c.name_key)
            found += [Suggestion(quote(name), "group", None) for name in conn.scalars(query.limit(MAX_VALUES))]
        case ValueSource.ACCOUNT:
            found += _of_accounts(conn, fold(place.typed[len(ACCOUNT) :].lstrip('"')))
    return Completion(place.start, found)


def _of_field(conn: Connection, field: FilterField, typed: str) -> Iterable[Suggestion]:
    account = account_key(field.name)
    table: Table = interfaces if field.many else computers if account is None else computer_accounts
    column = table.c[field.column]
    if field.kind is Kind.NUMBER:
        return [
            Suggestion(str(value), "value", count) for value, count in _frequent(conn, column, [column.is_not(None)])
        ]
    where = [func.coalesce(column, "") != ""] + ([] if account is None else [computer_accounts.c.key_key == account])
    compared = table.c[field.key_column] if field.kind is Kind.TEXT else func.lower(column)
    found = _frequent(conn, column, [*where, _begins(compared, typed)])
    return [Suggestion(quote(value), "value", count) for value, count in found]


def _frequent(conn: Connection, column: ColumnElement[Any], where: Iterable[ColumnElement[bool]]) -> Iterable[Any]:
    count = func.count()
    query = select(column, count).where(*where).group_by(column).order_by(count.desc(), column)
    return conn.execute(query.limit(MAX_VALUES)).all()


def _of_software(
    conn: Connection, column: ColumnElement[Any], key: ColumnElement[Any], typed: str
) -> Iterable[Suggestion]:
    like = read_pattern(f"*{escape(typed)}*").like
    query = select(column).where(key != "", key.like(like, escape=ESCAPE)).distinct().order_by(column)
    counted = []
    for name in conn.scalars(query.limit(MAX_NAMES)):
        ids = select(software.c.id).where(column == name)
        rows = (
            select(installed.c.computer_id).where(installed.c.software_id.in_(ids)).distinct().limit(COUNTED).subquery()
        )
        counted.append((name, conn.scalar(select(func.count()).select_from(rows)) or 0))
    counted.sort(key=lambda pair: -pair[1])
    return [Suggestion(quote(name), "software", count) for name, count in counted[:MAX_VALUES]]


def _of_packages(conn: Connection, typed: str) -> Iterable[Suggestion]:
    """Those that are not deleted, the newest first."""
    query = select(packages.c.id, packages.c.name).where(packages.c.deleted_at_us.is_(None))
    rows = conn.execute(query.order_by(packages.c.created_at_us.desc(), packages.c.id)).all()
    found = [row for row in rows if typed in fold(row.name) or row.id.startswith(typed)]
    names = dict.fromkeys(quote(escape(row.name)) for row in found)
    return [Suggestion(name, "package", None) for name in list(names)[:MAX_VALUES]]


def _of_accounts(conn: Connection, typed: str) -> Iterable[Suggestion]:
    count, keys = func.count(), computer_accounts.c.key_key
    query = select(func.max(computer_accounts.c.key), count).where(_begins(keys, typed)).group_by(keys)
    rows = conn.execute(query.order_by(count.desc(), keys).limit(MAX_VALUES))
    return [Suggestion(render_field(f"{ACCOUNT}{key}"), "field", number) for key, number in rows]


def _begins(column: ColumnElement[Any], typed: str) -> ColumnElement[bool]:
    return column.like(read_pattern(f"{escape(typed)}*").like, escape=ESCAPE)
