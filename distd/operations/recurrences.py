"""Packages that come again every so many days: list, show, create, edit, delete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType  # noqa: TC002 - the API reads the annotations

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind, read_moment
from distd.domain.errors import BadInput
from distd.domain.filters.parse import MAX_TEXT as MAX_FILTER
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.domain.recurrence import MAX_DAYS
from distd.operations.operation import Operation, Way
from distd.origin.deployments import recurrences
from distd.origin.deployments.recurrences import NewRecurrence, Recurrence, RecurrenceChanges
from distd.wire.query import MAX_TEXT, cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked


@dataclass
class RecurrenceQuery:
    """Which page of the recurrences."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class RecurrencePage(Page[Recurrence]):
    """Recurrences, in the order in which they were made."""


class RecurrenceTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom it is for, by one of these: the computers that a filter finds each time (`@NAME`: a saved one, as it is
    now), those of a group, or those with such a tag (? is one character, * are several). None: those that have the
    package assigned."""

    filter: Annotated[str, Meta(min_length=1, max_length=MAX_FILTER)] | None = None
    group: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)] | None = None
    tag: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)] | None = None


class NewRecurrenceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A package (its id) again every so many days. `first_at`: a time such as "fri 18:00", "2026-12-01 18:00" or "2h",
    the server's local time; null: so many days from now. `dry_run`: only tell when it would come."""

    package: Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
    every_days: Annotated[int, Meta(ge=1, le=MAX_DAYS)]
    to: RecurrenceTarget = RecurrenceTarget()
    first_at: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    dry_run: bool = False


class RecurrenceEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different, as in `NewRecurrenceRequest`; what is left out stays. `first_at`: when it comes next."""

    every_days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] | UnsetType = UNSET
    to: RecurrenceTarget | UnsetType = UNSET
    first_at: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)] | UnsetType = UNSET


def _list(conn: Connection, _: Asked, query: RecurrenceQuery) -> RecurrencePage:
    page = recurrences.list_recurrences(conn, read_window(query.limit, query.cursor, recurrences.PLACE))
    return RecurrencePage(page.items, page.next, page.total)


def _show(conn: Connection, _: Asked, recurrence: str) -> Recurrence:
    return recurrences.show(conn, recurrence)


def _create(conn: Connection, asked: Asked, given: NewRecurrenceRequest) -> Recurrence:
    now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - "fri 18:00" is local
    first_s = read_moment(given.first_at, now, "first_at")
    new = NewRecurrence(given.package, given.every_days, _who(given.to), first_s)
    return recurrences.create(conn, asked.actor, new, asked.now_s)


def _who(target: RecurrenceTarget) -> AssignmentOrigin | None:
    texts = {OriginKind.FILTER: target.filter, OriginKind.GROUP: target.group, OriginKind.TAG: target.tag}
    given = [AssignmentOrigin(kind, text) for kind, text in texts.items() if text is not None]
    if len(given) > 1:
        raise BadInput(f"to.{given[1].kind}", "one of filter, group and tag", "more than one")
    return given[0] if given else None


def _edit(conn: Connection, asked: Asked, recurrence: str, given: RecurrenceEdit) -> Recurrence:
    now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - "fri 18:00" is local
    changes = RecurrenceChanges(
        None if given.every_days is UNSET else given.every_days,
        None if given.to is UNSET else (_who(given.to),),
        None if given.first_at is UNSET else read_moment(given.first_at, now, "first_at"),
    )
    return recurrences.edit(conn, asked.actor, recurrence, changes, asked.now_s)


def _tag_of(found: Recurrence) -> Any:
    """What operators decide of it."""
    return (found.id, found.package_id, found.every_days, found.who_kind, found.who)


def _delete(conn: Connection, asked: Asked, recurrence: str) -> Recurrence:
    return recurrences.delete(conn, asked.actor, recurrence, asked.now_s)


_ONE: Final = "/recurrences/{recurrence}"
LIST: Final = Operation(
    "list_recurrences",
    "GET",
    "/recurrences",
    "Packages that come again every so many days.",
    RecurrencePage,
    _list,
    Act.RECURRENCES_READ,
    query=RecurrenceQuery,
)
SHOW: Final = Operation(
    "show_recurrence", "GET", _ONE, "One of them.", Recurrence, _show, Act.RECURRENCES_READ, tag_of=_tag_of
)
CREATE: Final = Operation(
    "create_recurrence",
    "POST",
    "/recurrences",
    """Have a package come again every so many days.

    Each time computers with a result get another attempt, those that a filter, a group or a tag names and that never
    had it get it, and those that have not done with the one before are passed over.""",
    Recurrence,
    _create,
    Act.RECURRENCES_WRITE,
    Way.WRITE,
    body=NewRecurrenceRequest,
    status=201,
    problems=(404, 409),
    keyed=True,
)
EDIT: Final = Operation(
    "edit_recurrence",
    "PATCH",
    _ONE,
    """Change how often it comes, to whom, and when next.

    Another number of days counts from the first time; a time that is given is a new first one.""",
    Recurrence,
    _edit,
    Act.RECURRENCES_WRITE,
    Way.WRITE,
    body=RecurrenceEdit,
    guarded_by=SHOW,
)
DELETE: Final = Operation(
    "delete_recurrence",
    "DELETE",
    _ONE,
    "It does not come again; what is assigned stays.",
    Recurrence,
    _delete,
    Act.RECURRENCES_WRITE,
    Way.WRITE,
    guarded_by=SHOW,
)
ALL: Final[tuple[Operation[Any], ...]] = (LIST, SHOW, CREATE, EDIT, DELETE)
