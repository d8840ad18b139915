"""Which mirror serves a package to a computer now: what the catalogue knows of mirrors, held in memory.

A `MirrorDirectory` never changes: it is replaced by a new one when mirrors connect, disconnect or have other packages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.catalogue.schema import activations, computers, packages
from distd.domain.mirror_rules import ComputerFacts, Field, MirrorFacts, Via, fields_of, parse_networks, rank
from distd.origin.mirrors.presence import is_online
from distd.origin.mirrors.rules import list_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.mirror_rules import Choice, Rule

# Columns of `computers`, and the fields of rules that they fill.
_FIELDS: Final = {"name": Field.NAME, "workgroup": Field.WORKGROUP, "userid": Field.USERID, "tag": Field.TAG}
COLUMNS: Final = ("device_id", "ip", "address", "subnets", *_FIELDS)


@dataclass(frozen=True, slots=True)
class MirrorDirectory:
    """`online` are the mirrors by id; `ready` are the ids of those of them that have verified a package (its id) at its
    present version; `via` is how agents get the fragments of each active package that this server serves."""

    online: Mapping[int, MirrorFacts] = field(default_factory=dict)
    ready: Mapping[str, frozenset[int]] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    via: Mapping[str, Via] = field(default_factory=dict)

    def choices(self, computer: ComputerFacts, package_id: str) -> list[Choice]:
        """The mirrors that can serve the package to the computer now, the best first."""
        ids = self.ready.get(package_id, frozenset())
        return rank(computer, (self.online[mirror_id] for mirror_id in ids), self.rules) if ids else []


EMPTY: Final = MirrorDirectory()


def load(conn: Connection, default: Via, now_s: float) -> MirrorDirectory:
    """The directory as of now. `default`: how agents get fragments where an activation does not say it."""
    rows = conn.execute(select(mirrors).where(mirrors.c.revoked_at_us.is_(None), mirrors.c.joined_at_us.is_not(None)))
    online = {row.id: mirror_of(row) for row in rows if is_online(row, now_s)}
    return MirrorDirectory(online, _ready(conn, online.keys()), list_rules(conn), _via(conn, default))


def _ready(conn: Connection, online: Collection[int]) -> dict[str, frozenset[int]]:
    same = (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version)
    query = select(mirror_packages.c.package_id, mirror_packages.c.mirror_id).join(packages, same)
    ready: dict[str, set[int]] = {}
    for package_id, mirror_id in conn.execute(query.where(packages.c.deleted_at_us.is_(None))):
        if mirror_id in online:
            ready.setdefault(package_id, set()).add(mirror_id)
    return {package_id: frozenset(ids) for package_id, ids in ready.items()}


def _via(conn: Connection, default: Via) -> dict[str, Via]:
    """Of deactivated packages too: agents that were notified of them still fetch them."""
    query = select(activations.c.package_id, activations.c.via).where(activations.c.fragment_server.is_(None))
    return {row.package_id: Via(row.via) if row.via else default for row in conn.execute(query)}


def mirror_of(row: Row[Any]) -> MirrorFacts:
    """What is known of the mirror of this row."""
    networks = parse_networks(row.networks.split())
    others = {Field.WORKGROUP: row.workgroup, Field.USERID: row.userid, Field.TAG: row.tag}
    return MirrorFacts(
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


def computer_of(row: Any) -> ComputerFacts:
    """What mirrors are chosen by, from a row with `COLUMNS`."""
    own = [address for address in re.split(r"[/,\s]+", row.ip or "") if address]
    fields: dict[Field, tuple[str, ...]] = {
        name: (text,) for column, name in _FIELDS.items() if (text := getattr(row, column))
    }
    fields[Field.IPADDRESS] = tuple(own)
    fields[Field.IPSUBNET] = tuple((row.subnets or "").split())
    return ComputerFacts(row.device_id, fields, (*own, *([row.address] if row.address else [])))


def load_computers(conn: Connection, ids: Sequence[int]) -> dict[int, ComputerFacts]:
    """What mirrors are chosen by, of the computers with these ids; unknown ones are left out."""
    query = select(computers.c.id, *(computers.c[name] for name in COLUMNS)).where(computers.c.id.in_(ids))
    return {row.id: computer_of(row) for row in conn.execute(query)}
