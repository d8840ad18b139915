"""Why a computer gets a package from the mirrors that it gets it from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from distd.catalogue.mirrors_schema import mirrors
from distd.domain.actor import SYSTEM
from distd.origin.computers import computers
from distd.origin.mirrors import directory
from distd.origin.mirrors.presence import is_online
from distd.origin.packages import packages

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.mirror_rules import Via
    from distd.origin.mirrors.directory import MirrorDirectory


@dataclass(frozen=True, slots=True)
class Explanation:
    """`order` are the mirrors that a computer would get now, the best first, as (name, why); `others` are those that it
    would not get, and why. `via` is how it gets fragments; "elsewhere": the activation names other servers."""

    package_id: str
    device_id: str
    via: str
    order: list[tuple[str, str]]
    others: list[tuple[str, str]]


def explain(
    conn: Connection, device_id: str, package_id: str, default: Via, now_s: float, actor: Actor = SYSTEM
) -> Explanation:
    """Explain it for one computer and package. Raises `NotFound`, also where `actor` may not see the computer."""
    package = packages.show(conn, package_id)
    computer_id = computers.show(conn, device_id, actor).computer.id
    facts = directory.load_computers(conn, [computer_id])[computer_id]
    known = directory.load(conn, default, now_s)
    order = known.choices(facts, package_id)
    chosen = {choice.mirror.name for choice in order}
    others = [
        (row.name, _why_not(row, known, package_id, package.version, now_s))
        for row in conn.execute(select(mirrors).order_by(mirrors.c.name))
        if row.name not in chosen
    ]
    via = "elsewhere" if package.fragment_server else known.via.get(package_id, default).value
    return Explanation(package_id, device_id, via, [(choice.mirror.name, choice.why) for choice in order], others)


def _why_not(row: Row[Any], known: MirrorDirectory, package_id: str, version: int, now_s: float) -> str:
    if row.revoked_at_us is not None:
        return "revoked"
    if row.joined_at_us is None:
        return "has not joined"
    if not is_online(row, now_s):
        seen = "never connected" if row.seen_at_us is None else f"last seen {now_s - row.seen_at_us / 1e6:.0f} s ago"
        return f"offline, {seen}"
    if row.id not in known.ready.get(package_id, frozenset()):
        return f"has not verified version {version} of {package_id} yet"
    return "serves only its own networks and location"
