"""Tokens of the API: make, list, revoke, and find whose one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from distd.catalogue import event_log
from distd.catalogue.access_schema import api_tokens
from distd.catalogue.lists import read_page
from distd.catalogue.schema import NAME_LIMIT, micros, operators, seconds
from distd.domain import api_tokens as tokens
from distd.domain.actor import Actor, ActorKind, operator
from distd.domain.api_tokens import DEFAULT_DAYS, MAX_DAYS
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.permissions import TABLE, Act, OperatorRights, Role, least
from distd.origin.operators.restrictions import check_filter

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

    from distd.domain.page import Page, Window

DAY_S: Final = 86_400.0
USED_S: Final = 60.0  # how exactly it is known when a token was last used
MAX_OF_OWNER: Final = 100
PLACE: Final = (str,)  # of a token in the list: its name


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token, without its secret. `acts`: only these; none: all that its role may. `filter`: only with computers that
    match it. `used_at_s`: when it was last used, to a minute, `used_from` the address; None: never."""

    name: str
    owner: str
    role: str
    acts: list[str]
    filter: str
    created_at_s: float
    expires_at_s: float
    used_at_s: float | None
    used_from: str | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is to be. `days`: for how long it is valid."""

    name: str
    role: Role
    acts: frozenset[Act] = frozenset()
    filter: str = ""
    days: int = DEFAULT_DAYS


@dataclass(frozen=True, slots=True)
class KnownToken:
    """Whose token it is, and what it may now: no more than its owner may."""

    name: str
    access: OperatorRights
    used_at_s: float | None


def create(conn: Connection, actor: Actor, new: NewToken, secret: bytes, now_s: float) -> str:
    """A token that acts for `actor`; gives the token, of which only the BLAKE3 is kept. `secret`: 32 random bytes.

    Raises `BadInput`, also for a role above the actor's; `Conflict` for a known name, or too many tokens.
    """
    owner = actor.name if actor.kind is ActorKind.OPERATOR else ""
    if not new.name or len(new.name) > NAME_LIMIT or not new.name.isprintable():
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters", new.name)
    if not 1 <= new.days <= MAX_DAYS:
        raise BadInput("days", f"1 to {MAX_DAYS}", new.days)
    check_filter(new.filter)
    highest = _owner_access(conn, owner)
    if highest is None or least(new.role, highest.role) is not new.role:
        raise BadInput("role", f"at most {highest.role if highest else 'nothing'}, as its owner", str(new.role))
    for act in sorted(new.acts):
        if least(TABLE[act].role, new.role) is not TABLE[act].role:
            raise BadInput("acts", f"acts that the role {new.role} may do", str(act))
    if conn.scalar(select(api_tokens.c.id).where(api_tokens.c.name == new.name)) is not None:
        raise Conflict("name", f"there is a token {new.name} already")
    mine = select(func.count()).select_from(api_tokens).where(api_tokens.c.owner == owner)
    if (conn.scalar(mine) or 0) >= MAX_OF_OWNER:
        raise Conflict("name", f"there are {MAX_OF_OWNER} tokens of this owner already", "revoke some")
    token, expires_at_s = tokens.make(secret), now_s + new.days * DAY_S
    after = {"owner": owner, "role": str(new.role), "acts": " ".join(sorted(new.acts)), "filter": new.filter.strip()}
    times = {"created_at_us": micros(now_s), "expires_at_us": micros(expires_at_s)}
    conn.execute(insert(api_tokens).values(name=new.name, token_hash=tokens.digest_of(token), **after, **times))
    detail: dict[str, Any] = {"token": new.name, "after": after | {"expires_at_s": expires_at_s}}
    event_log.append(conn, event_log.Kind.API_TOKEN_ADDED, actor, at_s=now_s, **detail)
    return token


def list_tokens(conn: Connection, window: Window, owner: str | None = None) -> Page[ApiToken]:
    """By name; those of an `owner`, None: all."""
    query = select(api_tokens)
    if owner is not None:
        query = query.where(api_tokens.c.owner == owner)
    return read_page(conn, query, (api_tokens.c.name,), window, _token)


def show(conn: Connection, name: str) -> ApiToken:
    """One token. Raises `NotFound`."""
    row = conn.execute(select(api_tokens).where(api_tokens.c.name == name)).one_or_none()
    if row is None:
        raise NotFound("name", "the name of a token", name)
    return _token(row)


def revoke(conn: Connection, actor: Actor, name: str, now_s: float, owner: str | None = None) -> None:
    """No longer valid, and forgotten. `owner`: only a token of this operator. Raises `NotFound`."""
    found = show(conn, name)
    if owner is not None and found.owner != owner:
        raise NotFound("name", "the name of a token", name)
    conn.execute(delete(api_tokens).where(api_tokens.c.name == name))
    event_log.append(conn, event_log.Kind.API_TOKEN_REVOKED, actor, at_s=now_s, token=name, owner=found.owner)


def find(conn: Connection, token: str, now_s: float) -> KnownToken | None:
    """Whose token it is; None: it is unknown or has expired, or its owner is gone."""
    return _find(conn, api_tokens.c.token_hash == tokens.digest_of(token), now_s)


def find_named(conn: Connection, name: str, now_s: float) -> KnownToken | None:
    """As `find`, by its name."""
    return _find(conn, api_tokens.c.name == name, now_s)


def _find(conn: Connection, which: ColumnElement[bool], now_s: float) -> KnownToken | None:
    row = conn.execute(select(api_tokens).where(which)).one_or_none()
    if row is None or row.expires_at_us <= micros(now_s):
        return None
    owner = _owner_access(conn, row.owner)
    if owner is None:
        return None
    acts = frozenset(map(Act, row.acts.split()))
    access = OperatorRights(least(Role(row.role), owner.role), row.filter or owner.filter, acts, is_token=True)
    return KnownToken(row.name, access, seconds(row.used_at_us))


def person_of(conn: Connection, actor: Actor) -> str:
    """Who stands behind an actor, as text: an operator, of a token its owner; "cli": somebody on this machine."""
    if actor.kind is not ActorKind.TOKEN:
        return str(actor)
    owner = conn.scalar(select(api_tokens.c.owner).where(api_tokens.c.name == actor.name))
    if owner is None:
        return str(actor)
    return str(operator(owner) if owner else Actor(ActorKind.CLI))


def mark_used(conn: Connection, name: str, address: str, now_s: float) -> None:
    """A token was used, from there."""
    values = {"used_at_us": micros(now_s), "used_from": address[:NAME_LIMIT]}
    conn.execute(update(api_tokens).where(api_tokens.c.name == name).values(**values))


def _owner_access(conn: Connection, owner: str) -> OperatorRights | None:
    if not owner:  # it was made by a command on this machine
        return OperatorRights(Role.ADMINISTRATOR)
    row = conn.execute(select(operators.c.role, operators.c.filter).where(operators.c.name == owner)).one_or_none()
    return None if row is None else OperatorRights(Role(row.role), row.filter)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(
        row.name,
        row.owner,
        row.role,
        row.acts.split(),
        row.filter,
        row.created_at_us / 1_000_000,
        row.expires_at_us / 1_000_000,
        seconds(row.used_at_us),
        row.used_from,
    )
