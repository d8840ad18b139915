"""Operators, who may use the console and the API: create, list, change, delete, set and check a password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy import delete as delete_from

from distd.catalogue import event_log
from distd.catalogue.access_schema import api_tokens
from distd.catalogue.lists import read_page
from distd.catalogue.schema import NAME_LIMIT, micros, operators, seconds
from distd.domain.actor import ActorKind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.permissions import OperatorRights, Role
from distd.domain.sign_in import SignInSource
from distd.origin.operators import sessions
from distd.origin.operators.restrictions import check_filter

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window
    from distd.domain.sign_in import OperatorIdentity

SEEN_S: Final = 3600.0  # how exactly it is known when an operator last signed in
PLACE: Final = (str,)  # of an operator in the list: its name
MAX_PASSWORD: Final = 1024  # characters


@dataclass(frozen=True, slots=True)
class Operator:
    """Who may use the console and the API. `filter`: only with computers that match it; "": with all. `source`: who
    vouches for it, "local" for a password that is kept here. `seen_at_s`: when it last signed in, to an hour."""

    name: str
    role: str
    filter: str
    source: str
    seen_at_s: float | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What an operator may: see `domain.permissions`."""

    role: Role = Role.OPERATOR
    filter: str = ""


@dataclass(frozen=True, slots=True)
class KnownOperator:
    """What is needed to check a sign-in. `password_hash`: "": another vouches for it."""

    name: str
    password_hash: str
    access: OperatorRights
    source: SignInSource
    seen_at_s: float | None


DEPLOYS: Final = Grant()
_FIND: Final = select(operators).where(operators.c.name == bindparam("name"))  # made once: each request asks for it


def create(conn: Connection, actor: Actor, name: str, password: str, now_s: float, grant: Grant = DEPLOYS) -> None:
    """Add an operator; only the Argon2id hash of `password` is kept. Raises `BadInput`, `Conflict` for a known name."""
    check_password(password)
    create_hashed(conn, actor, name, PasswordHasher().hash(password), now_s, grant)


def create_hashed(conn: Connection, actor: Actor, name: str, hashed: str, now_s: float, grant: Grant = DEPLOYS) -> None:
    """As `create`, with the hash of a password that is not empty."""
    _check_name(name)
    check_filter(grant.filter)
    if find(conn, name) is not None:
        raise Conflict("name", f"there is an operator {name} already")
    row = {"role": str(grant.role), "filter": grant.filter.strip(), "source": str(SignInSource.LOCAL)}
    conn.execute(insert(operators).values(name=name, password_hash=hashed, **row))
    event_log.append(conn, event_log.Kind.OPERATOR_ADDED, actor, at_s=now_s, operator=name, after=row)


def change(
    conn: Connection, actor: Actor, name: str, now_s: float, *, role: Role | None = None, filter_: str | None = None
) -> Operator:
    """Give an operator another role or another filter; None: as it was.

    Raises `BadInput`, `NotFound`, and `Conflict` where no local administrator would be left.
    """
    known = _row(conn, name)
    wanted = {"role": known.role if role is None else str(role)}
    wanted["filter"] = known.filter if filter_ is None else filter_.strip()
    check_filter(wanted["filter"])
    if wanted["role"] != Role.ADMINISTRATOR or wanted["filter"]:
        _check_administrators(conn, known)
    before = {"role": known.role, "filter": known.filter}
    if wanted != before:
        conn.execute(update(operators).where(operators.c.name == name).values(**wanted))
        detail: dict[str, Any] = {"operator": name, "before": before, "after": wanted}
        event_log.append(conn, event_log.Kind.OPERATOR_CHANGED, actor, at_s=now_s, **detail)
    return show(conn, name)


def set_password(conn: Connection, actor: Actor, name: str, password: str, now_s: float) -> None:
    """Give an operator another password, as `set_hashed_password` does. Raises `BadInput`, `NotFound`, `Conflict` where
    none is kept here."""
    check_password(password)
    set_hashed_password(conn, actor, name, PasswordHasher().hash(password), now_s)


def set_hashed_password(conn: Connection, actor: Actor, name: str, hashed: str, now_s: float) -> None:
    """As `set_password`, with the hash of a password that is not empty.

    Its sessions end. Its tokens are revoked, too, where somebody else sets the password: that ends the account for who
    had it before.
    """
    known = _row(conn, name)
    if known.source != SignInSource.LOCAL:
        raise Conflict("password", f"the password of {name} is not kept here, but by {known.source}")
    conn.execute(update(operators).where(operators.c.name == name).values(password_hash=hashed))
    sessions.close_all(conn, name)
    revoked = 0
    if (actor.kind, actor.name) != (ActorKind.OPERATOR, name):
        revoked = conn.execute(delete_from(api_tokens).where(api_tokens.c.owner == name)).rowcount
    event_log.append(conn, event_log.Kind.PASSWORD_CHANGED, actor, at_s=now_s, operator=name, tokens=revoked)


def list_operators(conn: Connection, window: Window) -> Page[Operator]:
    """By name."""
    return read_page(conn, select(operators), (operators.c.name,), window, _operator)


def show(conn: Connection, name: str) -> Operator:
    """One operator. Raises `NotFound`."""
    return _operator(_row(conn, name))


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> None:
    """Delete an operator, and its tokens. Raises `NotFound`, and `Conflict` for the last local administrator: nobody
    could add others then."""
    _check_administrators(conn, _row(conn, name))
    conn.execute(delete_from(api_tokens).where(api_tokens.c.owner == name))
    conn.execute(delete_from(operators).where(operators.c.name == name))
    sessions.close_all(conn, name)
    event_log.append(conn, event_log.Kind.OPERATOR_DELETED, actor, at_s=now_s, operator=name)


def admit(conn: Connection, actor: Actor, identity: OperatorIdentity, now_s: float) -> None:
    """Somebody for whom another vouches has signed in: it becomes an operator here, or gets the role that it has there
    by now. Raises `Conflict` where a local operator, or one of another source, has this name."""
    _check_name(identity.name)
    known = find(conn, identity.name)
    if known is not None and known.source is not identity.source:
        raise Conflict("name", f"the operator {identity.name} is one of {known.source}, not of {identity.source}")
    before = None if known is None else {"role": str(known.access.role), "filter": known.access.filter}
    chosen = identity.filter if identity.filter is not None else (before or {}).get("filter", "")
    after = {"role": str(identity.role), "filter": chosen}
    values: dict[str, Any] = {**after, "seen_at_us": micros(now_s)}
    if before is None:
        row = {"name": identity.name, "password_hash": "", "source": str(identity.source)}
        conn.execute(insert(operators).values(**row, **values))
        detail: dict[str, Any] = {"operator": identity.name, "after": after | {"source": str(identity.source)}}
        event_log.append(conn, event_log.Kind.OPERATOR_ADDED, actor, at_s=now_s, **detail)
        return
    conn.execute(update(operators).where(operators.c.name == identity.name).values(**values))
    if before != after:
        detail = {"operator": identity.name, "before": before, "after": after}
        event_log.append(conn, event_log.Kind.OPERATOR_CHANGED, actor, at_s=now_s, **detail)


def mark_seen(conn: Connection, name: str, now_s: float) -> None:
    """A local operator has signed in."""
    conn.execute(update(operators).where(operators.c.name == name).values(seen_at_us=micros(now_s)))


def find(conn: Connection, name: str) -> KnownOperator | None:
    """What is needed to check a sign-in; None: there is no such operator."""
    row = conn.execute(_FIND, {"name": name}).one_or_none()
    if row is None:
        return None
    access = OperatorRights(Role(row.role), row.filter)
    return KnownOperator(row.name, row.password_hash, access, SignInSource(row.source), seconds(row.seen_at_us))


def check(conn: Connection, name: str, password: str) -> bool:
    """Whether there is such an operator with this password; see `verify`."""
    return verify(password_hash(conn, name), password)


def hash_password(password: str) -> str:
    """What is kept of a password. Takes some 50 ms of a core, so it belongs in a thread, and in no transaction."""
    return PasswordHasher().hash(password)


def verify(known: str | None, password: str) -> bool:
    """Whether `known` is the hash of this password; None: there is no such operator, which takes as long to say.

    Takes some 50 ms of a core, so it belongs in a thread.
    """
    hasher = PasswordHasher()
    if not known:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(known, password)
    except VerifyMismatchError:
        return False


def check_password(password: str) -> None:
    """Raises `BadInput` for one that cannot be taken."""
    if not password or len(password) > MAX_PASSWORD:
        raise BadInput("password", f"a password of at most {MAX_PASSWORD} characters", f"{len(password)} characters")


def password_hash(conn: Connection, name: str) -> str | None:
    """The hash of an operator's password; None: there is no such operator."""
    return conn.scalar(select(operators.c.password_hash).where(operators.c.name == name))


def _check_name(name: str) -> None:
    if not name or len(name) > NAME_LIMIT or not name.isprintable() or ":" in name:  # HTTP Basic ends the name by it
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without a colon", name)


def _check_administrators(conn: Connection, leaving: Row[Any]) -> None:
    """Somebody must be left who can sign in whatever other servers do, and may everything."""
    if not _is_local_administrator(leaving):
        return
    count = select(func.count()).select_from(operators).where(operators.c.role == str(Role.ADMINISTRATOR))
    others = count.where(
        operators.c.source == str(SignInSource.LOCAL), operators.c.filter == "", operators.c.name != leaving.name
    )
    if not conn.scalar(others):
        hint = "add another one first, by `distd operator add NAME --role administrator`"
        raise Conflict("name", f"{leaving.name} is the last administrator with a password here", hint)


def _is_local_administrator(row: Row[Any]) -> bool:
    return row.role == Role.ADMINISTRATOR and row.source == SignInSource.LOCAL and not row.filter


def _row(conn: Connection, name: str) -> Row[Any]:
    row = conn.execute(select(operators).where(operators.c.name == name)).one_or_none()
    if row is None:
        raise NotFound("name", "the name of an operator", name)
    return row


def _operator(row: Row[Any]) -> Operator:
    return Operator(row.name, row.role, row.filter, row.source, seconds(row.seen_at_us))
