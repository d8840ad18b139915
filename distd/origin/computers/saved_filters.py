"""Filters by name: private ones of an actor, and shared ones. `@NAME` in the place of a filter is the saved one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, or_, select, update

from distd.catalogue import event_log
from distd.catalogue.groups_schema import saved_filters
from distd.catalogue.lists import read_page
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, micros
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render
from distd.domain.folding import fold

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from distd.domain.actor import Actor
    from distd.domain.filters.tree import Node
    from distd.domain.page import Page, Window

SIGN: Final = "@"
RESERVED: Final = ("complete", "fields", "parse")  # what the API has under the same path
MAX_SAVED: Final = 10_000
PLACE: Final = (str, int)  # of a filter in the list: its folded name, its id
_COLUMNS: Final = saved_filters.c


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """`owner` saved it, such as "operator:alice"; others see it where it is `shared`. `text` is canonical."""

    name: str
    text: str
    shared: bool
    owner: str
    description: str
    saved_at_s: float


@dataclass(frozen=True, slots=True)
class NewFilter:
    """What is saved: `text` is a filter; `shared`: for everybody."""

    name: str
    text: str
    shared: bool = False
    description: str = ""


def save(conn: Connection, actor: Actor, new: NewFilter, now_s: float) -> SavedFilter:
    """Save a filter; one of the same name, the actor's own or a shared one, takes the new text. Raises `BadInput`."""
    name = _checked_name(new.name)
    if len(new.description) > TEXT_LIMIT or not new.description.isprintable():
        raise BadInput("description", f"at most {TEXT_LIMIT} printable characters", new.description)
    text = render(parse(new.text))
    values = {"name": name, "text": text, "description": new.description, "saved_at_us": micros(now_s)}
    where = _same(actor, name, shared=new.shared)
    if not conn.execute(update(saved_filters).where(*where).values(owner=str(actor), **values)).rowcount:
        if (conn.scalar(select(func.count()).select_from(saved_filters)) or 0) >= MAX_SAVED:
            raise Conflict("name", f"there are {MAX_SAVED:,} saved filters already", "delete some")
        row = values | {"owner": str(actor), "shared": new.shared, "name_key": fold(name)}
        conn.execute(insert(saved_filters).values(**row))
    event_log.append(conn, event_log.Kind.FILTER_SAVED, actor, at_s=now_s, name=name, text=text, shared=new.shared)
    return SavedFilter(name, text, new.shared, str(actor), new.description, now_s)


def list_filters(conn: Connection, actor: Actor, window: Window) -> Page[SavedFilter]:
    """Those that the actor can use, by name."""
    query = select(saved_filters).where(_is_usable(actor))
    return read_page(conn, query, (_COLUMNS.name_key, _COLUMNS.id), window, _saved)


def show(conn: Connection, actor: Actor, name: str) -> SavedFilter:
    """The actor's own filter of this name; else the shared one. Raises `NotFound`."""
    query = select(saved_filters).where(_is_usable(actor), _COLUMNS.name_key == fold(name))
    row = conn.execute(query.order_by(_COLUMNS.shared).limit(1)).one_or_none()
    if row is None:
        raise NotFound("name", "the name of a saved filter", name)
    return _saved(row)


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> SavedFilter:
    """Delete what `show` shows, and give it. Raises `NotFound`."""
    found = show(conn, actor, name)
    conn.execute(delete_from(saved_filters).where(*_same(actor, name, shared=found.shared)))
    kind = event_log.Kind.FILTER_DELETED
    event_log.append(conn, kind, actor, at_s=now_s, name=found.name, text=found.text, shared=found.shared)
    return found


def read_filter(conn: Connection, actor: Actor, text: str) -> Node | None:
    """The tree of a filter's text; of "@NAME" that of the saved one; None for an empty text. Raises `BadFilter`, and
    `NotFound` with the field "filter"."""
    if not text.strip():
        return None
    if not text.strip().startswith(SIGN):
        return parse(text)
    name = text.strip()[len(SIGN) :].strip().strip('"')
    try:
        return parse(show(conn, actor, name).text)
    except NotFound:
        raise NotFound("filter", "the name of a saved filter after @", name) from None


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not fold(stripped) or len(stripped) > NAME_LIMIT or not stripped.isprintable() or "/" in stripped:
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without /", name)
    if stripped.startswith(SIGN) or fold(stripped) in RESERVED:
        raise BadInput("name", f"no {SIGN} before it, and none of {', '.join(RESERVED)}", name)
    return stripped


def _same(actor: Actor, name: str, *, shared: bool) -> list[ColumnElement[bool]]:
    found = [_COLUMNS.name_key == fold(name), _COLUMNS.shared.is_(shared)]
    return found if shared else [*found, _COLUMNS.owner == str(actor)]


def _is_usable(actor: Actor) -> ColumnElement[bool]:
    return or_(_COLUMNS.shared.is_(True), _COLUMNS.owner == str(actor))


def _saved(row: Any) -> SavedFilter:
    return SavedFilter(row.name, row.text, row.shared, row.owner, row.description, row.saved_at_us / 1_000_000)
