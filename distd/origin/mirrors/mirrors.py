"""Redistribution servers as the catalogue has them: who they are, what they have, the rules that choose them."""

from __future__ import annotations

import hmac
import re
import secrets
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3
from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from distd.catalogue import event_log
from distd.catalogue.schema import (
    NAME_LIMIT,
    activations,
    assignments,
    micros,
    mirror_packages,
    mirror_rules,
    mirrors,
    packages,
    seconds,
)
from distd.domain import mirror_rules as nearest
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.storage.pki import check_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.mirror_rules import Rule

TOKEN_S: Final = 7 * 86_400
# A worker says this often which mirrors it has on the line; one that was not spoken of for longer is taken for dead.
BEAT_S: Final = 15.0
DEAD_S: Final = 45.0

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SERVER: Final = re.compile(r"(https?)://([^/?#@\s]+?)/?")


@dataclass(frozen=True, slots=True)
class NewMirror:
    """What an operator says of a mirror. `url` is its HTTP address, `https_port` where it serves HTTPS."""

    name: str
    url: str
    https_port: int = 8443
    address: str = ""
    networks: tuple[str, ...] = ()
    location: str = ""
    workgroup: str = ""
    userid: str = ""
    tag: str = ""
    local: bool = False


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror and how it fares. `state` is WAITING (to join), JOINED or REVOKED; `lag_events` what it has not done yet
    of what happened; `ready` how many packages it has verified. `status` is what it told of itself last: see
    `redistrib.reporter.Status`."""

    name: str
    http: str
    https: str
    networks: list[str]
    location: str
    local: bool
    state: str
    alive: bool
    seen_at_s: float | None
    lag_events: int
    ready: int
    wanted: int
    status: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package that mirrors are to have. `needed`: agents may come for it; the others are kept as room allows."""

    package_id: str
    version: int
    size_bytes: int
    needed: bool


# --- who they are ----------------------------------------------------------------------------------------------------


def add(conn: Connection, new: NewMirror, now_s: float) -> str:
    """Enter a mirror, or give one that has not joined, or was revoked, another chance; the secret of its join token.

    Raises `BadInput`, and `Conflict` for the name of one that has joined.
    """
    values = _checked(new)
    secret = secrets.token_hex(16)
    values |= {"token_hash": _hash(secret), "token_until_us": micros(now_s + TOKEN_S), "revoked_at_us": None}
    known = conn.execute(select(mirrors).where(mirrors.c.name == new.name)).one_or_none()
    if known is not None and known.joined_at_us is not None and known.revoked_at_us is None:
        raise Conflict("NAME", f"there is a mirror {new.name} that has joined", "revoke it first, or take another name")
    if known is None:
        conn.execute(insert(mirrors).values(added_at_us=micros(now_s), status={}, **values))
    else:
        conn.execute(update(mirrors).where(mirrors.c.id == known.id).values(joined_at_us=None, **values))
    event_log.append(conn, event_log.Kind.MIRROR_ADDED, at_s=now_s, mirror=new.name)
    return secret


def join(conn: Connection, secret: str, now_s: float) -> tuple[str, list[str], str]:
    """A mirror comes with its token, which is used up by it: its name, its hosts for a certificate, its new key.

    Raises `BadInput` for a token that is nobody's, or too old.
    """
    row = conn.execute(select(mirrors).where(mirrors.c.token_hash == _hash(secret))).one_or_none()
    if row is None or row.token_until_us < micros(now_s) or row.revoked_at_us is not None:
        hint = "a token is good for one use within 7 days; `distd mirror add` gives another"
        raise BadInput("--token", "one that waits to be used", "another", hint)
    key = secrets.token_hex(32)
    values: dict[str, Any] = {
        "token_hash": None,
        "key_hash": _hash(key),
        "joined_at_us": micros(now_s),
        "heard_seq": 0,
        "status": {},
    }
    conn.execute(update(mirrors).where(mirrors.c.id == row.id).values(**values))
    conn.execute(delete(mirror_packages).where(mirror_packages.c.mirror_id == row.id))
    event_log.append(conn, event_log.Kind.MIRROR_JOINED, at_s=now_s, mirror=row.name)
    hosts = [server.rpartition(":")[0].strip("[]") for server in (row.http, row.https)]
    return row.name, list(dict.fromkeys([*hosts, *filter(None, [row.address])])), key


def identify(conn: Connection, key: str) -> tuple[int, str] | None:
    """The id and name of the mirror whose key this is; None: nobody's, or it was revoked."""
    digest = _hash(key)
    row = conn.execute(select(mirrors).where(mirrors.c.key_hash == digest)).one_or_none()
    if row is None or row.revoked_at_us is not None or not hmac.compare_digest(row.key_hash, digest):
        return None
    return row.id, row.name


def revoke(conn: Connection, name: str, now_s: float) -> None:
    """It gets nothing more, and agents are not sent to it any more. Raises `NotFound`, `Conflict`."""
    row = _row(conn, name)
    if row.revoked_at_us is not None:
        raise Conflict("NAME", f"{name} is revoked already")
    values = {"revoked_at_us": micros(now_s), "key_hash": None, "token_hash": None, "connected": False}
    conn.execute(update(mirrors).where(mirrors.c.id == row.id).values(**values))
    conn.execute(delete(mirror_packages).where(mirror_packages.c.mirror_id == row.id))
    event_log.append(conn, event_log.Kind.MIRROR_REVOKED, at_s=now_s, mirror=name)


def list_mirrors(conn: Connection, now_s: float) -> list[Mirror]:
    """By name."""
    rows = conn.execute(select(mirrors).order_by(mirrors.c.name)).all()
    done = min((row.heard_seq for row in rows if row.joined_at_us), default=0)
    happened = event_log.numbers(conn, done, event_log.OF_PACKAGES)
    query = select(mirror_packages.c.mirror_id, func.count()).join(
        packages,
        (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version),
    )
    ready = {row[0]: row[1] for row in conn.execute(query.group_by(mirror_packages.c.mirror_id))}
    count = len(wanted(conn))
    return [_mirror(row, ready.get(row.id, 0), count, happened, now_s) for row in rows]


def on_the_line(conn: Connection, now_s: float) -> list[str]:
    """The "host:port" of those that are alive."""
    rows = conn.execute(select(mirrors).where(mirrors.c.connected, mirrors.c.revoked_at_us.is_(None)))
    return [row.http for row in rows if is_alive(row, now_s)]


def show(conn: Connection, name: str, now_s: float) -> Mirror:
    """Raises `NotFound`."""
    _row(conn, name)
    return next(one for one in list_mirrors(conn, now_s) if one.name == name)


def _mirror(row: Row[Any], ready: int, count: int, happened: Sequence[int], now_s: float) -> Mirror:
    state = "REVOKED" if row.revoked_at_us else "JOINED" if row.joined_at_us else "WAITING"
    return Mirror(
        name=row.name,
        http=row.http,
        https=row.https,
        networks=row.networks.split(),
        location=row.location or "",
        local=row.local,
        state=state,
        alive=is_alive(row, now_s),
        seen_at_s=seconds(row.seen_at_us),
        lag_events=len(happened) - bisect_right(happened, row.heard_seq) if state == "JOINED" else 0,
        ready=ready,
        wanted=count,
        status={key: value for key, value in row.status.items() if key != "batch"},
    )


def is_alive(row: Row[Any], now_s: float) -> bool:
    return bool(row.connected) and row.seen_at_us is not None and now_s - row.seen_at_us / 1_000_000 < DEAD_S


def _row(conn: Connection, name: str) -> Row[Any]:
    row = conn.execute(select(mirrors).where(mirrors.c.name == name)).one_or_none()
    if row is None:
        raise NotFound("NAME", "the name of a mirror", name, "see `distd mirror list`")
    return row


def _checked(new: NewMirror) -> dict[str, Any]:
    if not _NAME.fullmatch(new.name):
        raise BadInput("NAME", "letters, digits, dots, dashes and underscores, at most 63", new.name)
    http, host = _server(new.url)
    if new.address:
        nearest.parse_networks([new.address])
    if len(new.networks) > nearest.MAX_NETWORKS:
        raise BadInput("--network", f"at most {nearest.MAX_NETWORKS}", len(new.networks))
    texts = {name: getattr(new, name) for name in ("address", "location", "workgroup", "userid", "tag")}
    for name, text in texts.items():
        if len(text) > NAME_LIMIT or not (text.isprintable() or not text):
            raise BadInput(f"--{name}", f"at most {NAME_LIMIT} printable characters", text)
    networks = " ".join(str(one) for one in nearest.parse_networks(new.networks))
    bracketed = f"[{host}]" if ":" in host else host
    fixed = {"name": new.name, "http": http, "https": f"{bracketed}:{new.https_port}", "local": new.local}
    return fixed | {"networks": networks} | {name: text or None for name, text in texts.items()}


def _server(url: str) -> tuple[str, str]:
    """ "host:port" and the host of "http://host[:port]"."""
    match = _SERVER.fullmatch(url)
    if match is None or match[1] != "http":
        raise BadInput("--url", "http://HOST[:PORT], where agents reach the mirror", url)
    host, _, port = match[2].rpartition(":") if re.search(r":\d+$", match[2]) else (match[2], "", "80")
    host = host.strip("[]")
    check_host(host)
    if not 0 < int(port) < 65536:
        raise BadInput("--url", "a port from 1 to 65535", port)
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), host


def _hash(secret: str) -> str:
    return blake3(secret.encode()).hexdigest()


# --- what they are to have, and what they have -----------------------------------------------------------------------


def wanted(conn: Connection) -> list[Wanted]:
    """All packages that mirrors are to have, oldest first: not the superseded that nobody is waiting for."""
    is_open = exists().where(assignments.c.package_id == packages.c.id, assignments.c.result.is_(None))
    active = activations.c.activated_at_us.is_not(None) & activations.c.deactivated_at_us.is_(None)
    query = (
        select(packages.c.id, packages.c.version, packages.c.size_bytes, packages.c.superseded_by)
        .add_columns(active.label("active"), is_open.label("open"))
        .outerjoin(activations, activations.c.package_id == packages.c.id)
        .where(packages.c.deleted_at_us.is_(None), packages.c.fragments > 0)
        .order_by(packages.c.created_at_us, packages.c.id)
    )
    rows = [(row, bool(row.active or row.open)) for row in conn.execute(query)]
    return [
        Wanted(row.id, row.version, row.size_bytes, needed)
        for row, needed in rows
        if needed or row.superseded_by is None
    ]


def note_ready(conn: Connection, mirror: tuple[int, str], pairs: Iterable[tuple[str, int]], now_s: float) -> None:
    """The mirror has verified these packages (id, version) and serves them. Unknown ids are passed over."""
    versions = dict(pairs)
    known = set(conn.scalars(select(packages.c.id).where(packages.c.id.in_(list(versions)))))
    for package_id in sorted(known):
        values = {"version": versions[package_id], "ready_at_us": micros(now_s)}
        statement = upsert(mirror_packages).values(mirror_id=mirror[0], package_id=package_id, **values)
        conn.execute(statement.on_conflict_do_update(index_elements=["mirror_id", "package_id"], set_=values))
        _note(conn, event_log.Kind.MIRROR_READY, mirror, package_id, now_s, version=versions[package_id])


def note_gone(conn: Connection, mirror: tuple[int, str], package_ids: Iterable[str], now_s: float) -> None:
    for package_id in package_ids:
        gone = delete(mirror_packages).where(
            mirror_packages.c.mirror_id == mirror[0], mirror_packages.c.package_id == package_id
        )
        if conn.execute(gone).rowcount:
            _note(conn, event_log.Kind.MIRROR_GONE, mirror, package_id, now_s)


def note_all(conn: Connection, mirror: tuple[int, str], pairs: Iterable[tuple[str, int]], now_s: float) -> None:
    """What a mirror has is exactly this."""
    versions = dict(pairs)
    rows = conn.execute(select(mirror_packages).where(mirror_packages.c.mirror_id == mirror[0])).all()
    there = {row.package_id: row.version for row in rows}
    note_gone(conn, mirror, sorted(there.keys() - versions.keys()), now_s)
    note_ready(conn, mirror, [pair for pair in versions.items() if there.get(pair[0]) != pair[1]], now_s)


def _note(
    conn: Connection, kind: event_log.Kind, mirror: tuple[int, str], package_id: str | None, now_s: float, **detail: Any
) -> None:
    event_log.append(conn, kind, at_s=now_s, package_id=package_id, mirror=mirror[1], **detail)


# --- who is on the line ----------------------------------------------------------------------------------------------


def connected(conn: Connection, mirror: tuple[int, str], now_s: float) -> None:
    conn.execute(update(mirrors).where(mirrors.c.id == mirror[0]).values(connected=True, seen_at_us=micros(now_s)))
    _note(conn, event_log.Kind.MIRROR_CONNECTED, mirror, None, now_s)


def lost(conn: Connection, mirror: tuple[int, str], now_s: float) -> None:
    conn.execute(update(mirrors).where(mirrors.c.id == mirror[0]).values(connected=False, seen_at_us=micros(now_s)))
    _note(conn, event_log.Kind.MIRROR_LOST, mirror, None, now_s)


def beat(conn: Connection, mirror_ids: Sequence[int], now_s: float) -> None:
    """These are still on the line."""
    fresh = {"connected": True, "seen_at_us": micros(now_s)}
    conn.execute(update(mirrors).where(mirrors.c.id.in_(mirror_ids), mirrors.c.revoked_at_us.is_(None)).values(**fresh))


# --- rules -----------------------------------------------------------------------------------------------------------


def rules(conn: Connection) -> list[Rule]:
    return [nearest.parse_rule(text) for text in conn.scalars(select(mirror_rules.c.rule).order_by("position"))]


def set_rules(conn: Connection, texts: Sequence[str], now_s: float) -> list[Rule]:
    """These rules, in this order, instead of those before. Raises `BadInput`."""
    if len(texts) > nearest.MAX_RULES:
        raise BadInput("RULE", f"at most {nearest.MAX_RULES}", len(texts))
    parsed = [nearest.parse_rule(text) for text in texts]
    conn.execute(delete(mirror_rules))
    if parsed:
        rows = [{"position": number, "rule": str(rule)} for number, rule in enumerate(parsed, 1)]
        conn.execute(insert(mirror_rules), rows)
    event_log.append(conn, event_log.Kind.MIRROR_RULES, at_s=now_s, rules=[str(rule) for rule in parsed])
    return parsed
