"""Which mirror serves a computer a package now: what the catalogue knows of mirrors, held in memory.

A `Directory` never changes; whoever holds one gets a newer one when mirrors come, go, or have another package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue.schema import activations, computers, mirror_packages, mirrors, packages
from distd.domain.mirror_rules import Computer, Field, Mirror, Via, fields_of, parse_networks, rank
from distd.origin.computers import computers as known_computers
from distd.origin.mirrors import mirrors as use_cases
from distd.origin.packages import packages as packages_use_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.mirror_rules import Choice, Rule

# A computer's columns, and what rules call them.
_FIELDS: Final = {"name": Field.NAME, "workgroup": Field.WORKGROUP, "userid": Field.USERID, "tag": Field.TAG}
COLUMNS: Final = ("device_id", "ip", "address", "subnets", *_FIELDS)


@dataclass(frozen=True, slots=True)
class Directory:
    """`alive` are the mirrors on the line; `ready` who of them has verified a package at its present version; `via`
    how agents come to the fragments of each active package that this server serves."""

    alive: Mapping[int, Mirror] = field(default_factory=dict)
    ready: Mapping[str, frozenset[int]] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    via: Mapping[str, Via] = field(default_factory=dict)

    def choices(self, computer: Computer, package_id: str) -> list[Choice]:
        """The mirrors that can serve it now, the best first."""
        ids = self.ready.get(package_id, frozenset())
        return rank(computer, (self.alive[one] for one in ids), self.rules) if ids else []


EMPTY: Final = Directory()


def load(conn: Connection, default: Via, now_s: float) -> Directory:
    """The directory as it is now. `default`: how agents come to fragments where an activation does not say it."""
    rows = conn.execute(select(mirrors).where(mirrors.c.revoked_at_us.is_(None), mirrors.c.joined_at_us.is_not(None)))
    alive = {row.id: _mirror(row) for row in rows if use_cases.is_alive(row, now_s)}
    return Directory(alive, _ready(conn, alive.keys()), use_cases.rules(conn), _via(conn, default))


def _ready(conn: Connection, alive: Any) -> dict[str, frozenset[int]]:
    same = (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version)
    query = select(mirror_packages.c.package_id, mirror_packages.c.mirror_id).join(packages, same)
    ready: dict[str, set[int]] = {}
    for package_id, mirror_id in conn.execute(query.where(packages.c.deleted_at_us.is_(None))):
        if mirror_id in alive:
            ready.setdefault(package_id, set()).add(mirror_id)
    return {package_id: frozenset(ids) for package_id, ids in ready.items()}


def _via(conn: Connection, default: Via) -> dict[str, Via]:
    """Deactivated ones too: agents that were told of them go on."""
    query = select(activations.c.package_id, activations.c.via).where(activations.c.fragment_server.is_(None))
    return {row.package_id: Via(row.via) if row.via else default for row in conn.execute(query)}


def _mirror(row: Row[Any]) -> Mirror:
    networks = parse_networks(row.networks.split())
    others = {Field.WORKGROUP: row.workgroup, Field.USERID: row.userid, Field.TAG: row.tag}
    return Mirror(
        id=row.id,
        name=row.name,
        http=row.http,
        https=row.https,
        fields=fields_of(row.name, row.address or "", networks, {key: text or "" for key, text in others.items()}),
        networks=networks,
        location=row.location or "",
        local=row.local,
        load=int(row.status.get("agents", 0)),
    )


def computer_of(row: Any) -> Computer:
    """What is known of a computer, from a row with `COLUMNS`."""
    own = [one for one in re.split(r"[/,\s]+", row.ip or "") if one]
    fields: dict[Field, tuple[str, ...]] = {
        name: (text,) for column, name in _FIELDS.items() if (text := getattr(row, column))
    }
    fields[Field.IPADDRESS] = tuple(own)
    fields[Field.IPSUBNET] = tuple((row.subnets or "").split())
    return Computer(row.device_id, fields, (*own, *([row.address] if row.address else [])))


def load_computers(conn: Connection, ids: Sequence[int]) -> dict[int, Computer]:
    query = select(computers.c.id, *(computers.c[name] for name in COLUMNS)).where(computers.c.id.in_(ids))
    return {row.id: computer_of(row) for row in conn.execute(query)}


# --- why -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Explanation:
    """`order`: the mirrors that a computer would get now, best first, as (name, why); `others`: those that it would
    not, and why not. `via` is how it comes to them; "elsewhere": the activation names other servers."""

    package_id: str
    device_id: str
    via: str
    order: list[tuple[str, str]]
    others: list[tuple[str, str]]


def explain(conn: Connection, device_id: str, package_id: str, default: Via, now_s: float) -> Explanation:
    """Raises `NotFound`."""
    package = packages_use_cases.show(conn, package_id)
    computer = load_computers(conn, [known_computers.show(conn, device_id).computer.id]).popitem()[1]
    directory = load(conn, default, now_s)
    order = directory.choices(computer, package_id)
    chosen = {choice.mirror.name for choice in order}
    others = [
        (row.name, _why_not(row, directory, package_id, package.version, now_s))
        for row in conn.execute(select(mirrors).order_by(mirrors.c.name))
        if row.name not in chosen
    ]
    via = "elsewhere" if package.fragment_server else directory.via.get(package_id, default).value
    return Explanation(package_id, device_id, via, [(one.mirror.name, one.why) for one in order], others)


def _why_not(row: Row[Any], directory: Directory, package_id: str, version: int, now_s: float) -> str:
    if row.revoked_at_us is not None:
        return "revoked"
    if row.joined_at_us is None:
        return "has not joined"
    if not use_cases.is_alive(row, now_s):
        seen = "never heard of" if row.seen_at_us is None else f"last heard of {now_s - row.seen_at_us / 1e6:.0f} s ago"
        return f"not on the line, {seen}"
    if row.id not in directory.ready.get(package_id, frozenset()):
        return f"has not verified {package_id} at version {version} yet"
    return "serves its own networks and location only"
