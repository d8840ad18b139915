"""Mirrors as operators see them: add, revoke, list, show."""

from __future__ import annotations

import ipaddress
import re
import secrets
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from distd.catalogue import event_log
from distd.catalogue.lists import matches, read_page
from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.catalogue.schema import NAME_LIMIT, micros, packages, seconds
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.mirror_rules import MAX_NETWORKS, parse_networks
from distd.domain.page import Page
from distd.origin.mirrors import presence
from distd.origin.mirrors.contents import list_wanted
from distd.origin.mirrors.identity import TOKEN_S, hash_secret
from distd.storage.pki import check_host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.page import Window

PLACE: Final = (str,)  # of a mirror in the list: its name
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SERVER: Final = re.compile(r"(https?)://([^/?#@\s]+?)/?")


@dataclass(frozen=True, slots=True)
class NewMirror:
    """A mirror as an operator describes it. `url` is its HTTP address, `https_port` the port of its HTTPS."""

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
    """A mirror and how far it is. `state` is WAITING (to join), JOINED or REVOKED; `alive`: it is online; `lag_events`
    counts the events that it has not processed yet, `ready` the packages that it has verified, of the `wanted` ones.
    `status` is what it said of itself last, as `Status` of a report has it. `address`, `workgroup`, `userid` and `tag`
    are fields of rules.
    """

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
    address: str = ""
    workgroup: str = ""
    userid: str = ""
    tag: str = ""


def add(conn: Connection, actor: Actor, new: NewMirror, now_s: float) -> str:
    """Add a mirror, or let one join again that has not joined or was revoked; gives the secret of its join token.

    Raises `BadInput`, and `Conflict` for the name of a mirror that has joined.
    """
    values = _values(new)
    secret = secrets.token_hex(16)
    values |= {"token_hash": hash_secret(secret), "token_until_us": micros(now_s + TOKEN_S), "revoked_at_us": None}
    known = conn.execute(select(mirrors).where(mirrors.c.name == new.name)).one_or_none()
    if known is not None and known.joined_at_us is not None and known.revoked_at_us is None:
        hint = "take another name; or, to let it join anew, revoke it, add it, and remove its keys/mirror.json"
        raise Conflict("name", f"there is a mirror {new.name} that has joined", hint)
    if known is None:
        conn.execute(insert(mirrors).values(added_at_us=micros(now_s), status={}, **values))
    else:
        conn.execute(update(mirrors).where(mirrors.c.id == known.id).values(joined_at_us=None, **values))
    event_log.append(conn, event_log.Kind.MIRROR_ADDED, actor, at_s=now_s, mirror=new.name)
    return secret


def revoke(conn: Connection, actor: Actor, name: str, now_s: float) -> None:
    """It gets no more packages, and no agents are sent to it. Raises `NotFound`, `Conflict`."""
    row = _row(conn, name)
    if row.revoked_at_us is not None:
        raise Conflict("name", f"{name} is revoked already")
    values = {"revoked_at_us": micros(now_s), "key_hash": None, "token_hash": None, "connected": False}
    conn.execute(update(mirrors).where(mirrors.c.id == row.id).values(**values))
    conn.execute(delete(mirror_packages).where(mirror_packages.c.mirror_id == row.id))
    event_log.append(conn, event_log.Kind.MIRROR_REVOKED, actor, at_s=now_s, mirror=name)


def list_mirrors(conn: Connection, name: str | None, window: Window, now_s: float) -> Page[Mirror]:
    """By name; with `name` only those that match it: see `catalogue.lists.matches`."""
    query = select(mirrors) if name is None else select(mirrors).where(matches(mirrors.c.name, name))
    page = read_page(conn, query, (mirrors.c.name,), window, lambda row: row)
    return Page(_mirrors(conn, page.items, now_s), page.next, page.total)


def show(conn: Connection, name: str, now_s: float) -> Mirror:
    """One mirror. Raises `NotFound`."""
    (mirror,) = _mirrors(conn, [_row(conn, name)], now_s)
    return mirror


def _mirrors(conn: Connection, rows: Sequence[Row[Any]], now_s: float) -> list[Mirror]:
    processed = min((row.heard_seq for row in rows if row.joined_at_us), default=0)
    events = event_log.numbers(conn, processed, event_log.OF_PACKAGES)
    query = select(mirror_packages.c.mirror_id, func.count()).join(
        packages,
        (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version),
    )
    ready = {row[0]: row[1] for row in conn.execute(query.group_by(mirror_packages.c.mirror_id))}
    count = len(list_wanted(conn))
    return [_mirror(row, ready.get(row.id, 0), count, events, now_s) for row in rows]


def _mirror(row: Row[Any], ready: int, wanted: int, events: Sequence[int], now_s: float) -> Mirror:
    state = "REVOKED" if row.revoked_at_us else "JOINED" if row.joined_at_us else "WAITING"
    return Mirror(
        name=row.name,
        http=row.http,
        https=row.https,
        networks=row.networks.split(),
        location=row.location or "",
        local=row.local,
        state=state,
        alive=presence.is_online(row, now_s),
        seen_at_s=seconds(row.seen_at_us),
        lag_events=len(events) - bisect_right(events, row.heard_seq) if state == "JOINED" else 0,
        ready=ready,
        wanted=wanted,
        status={key: value for key, value in row.status.items() if key != "batch"},
        **{name: getattr(row, name) or "" for name in ("address", "workgroup", "userid", "tag")},
    )


def _row(conn: Connection, name: str) -> Row[Any]:
    row = conn.execute(select(mirrors).where(mirrors.c.name == name)).one_or_none()
    if row is None:
        raise NotFound("name", "the name of a mirror", name)
    return row


def _values(new: NewMirror) -> dict[str, Any]:
    if not _NAME.fullmatch(new.name):
        raise BadInput("name", "letters, digits, dots, dashes and underscores, at most 63", new.name)
    http, host = _server(new.url)
    if new.address:
        _check_address(new.address)
    if len(new.networks) > MAX_NETWORKS:
        raise BadInput("networks", f"at most {MAX_NETWORKS}", len(new.networks))
    texts = {name: getattr(new, name) for name in ("address", "location", "workgroup", "userid", "tag")}
    for name, text in texts.items():
        if len(text) > NAME_LIMIT or not (text.isprintable() or not text):
            raise BadInput(name, f"at most {NAME_LIMIT} printable characters", text)
    networks = " ".join(str(network) for network in parse_networks(new.networks))
    bracketed = f"[{host}]" if ":" in host else host
    others = {"name": new.name, "http": http, "https": f"{bracketed}:{new.https_port}", "local": new.local}
    return others | {"networks": networks} | {name: text or None for name, text in texts.items()}


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise BadInput("address", "an IP address", text) from None


def _server(url: str) -> tuple[str, str]:
    """ "host:port" and the host of "http://host[:port]"."""
    match = _SERVER.fullmatch(url)
    if match is None or match[1] != "http":
        raise BadInput("url", "http://HOST[:PORT], where agents reach the mirror", url)
    host, _, port = match[2].rpartition(":") if re.search(r":\d+$", match[2]) else (match[2], "", "80")
    host = host.strip("[]")
    check_host(host, "url")
    if not 0 < int(port) < 65536:
        raise BadInput("url", "a port from 1 to 65535", port)
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), host
