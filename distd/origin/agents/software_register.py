"""Installed software in the catalogue: each name, version and publisher once, and who has it.

Names come from agents, which are not authenticated: how many new ones are taken is limited, and those that no computer
has any more are deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError

from distd.catalogue import dialect
from distd.catalogue.dialect import many_rows
from distd.catalogue.schema import installed, software
from distd.domain.addresses import is_loopback, peer_of
from distd.domain.folding import fold
from distd.domain.lru import Lru
from distd.domain.section_digests import digest_of_values
from distd.domain.token_bucket import TokenBucket
from distd.domain.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.computer_facts import InstalledSoftware

DAY_S: Final = 86_400.0
ADDRESS_SHARE: Final = 5  # one address (not of this machine) may use up a fifth of what is taken in a day
PART: Final = 1000  # items of one statement: a longer one takes much memory while it is made
MAX_REMEMBERED: Final = 65_536  # ids
MAX_ADDRESSES: Final = 10_000
MAX_DELETED: Final = 5_000  # of one transaction


class SoftwareOf(NamedTuple):
    """All software of a computer, as an inventory from `address` lists it at `now_s`."""

    items: tuple[InstalledSoftware, ...]
    address: str
    now_s: float


class SoftwareRegister:
    """The memory of one process, used within transactions that write. `new_per_day`: 0: no limit."""

    def __init__(self) -> None:
        self._ids: Lru[InstalledSoftware, int] = Lru(MAX_REMEMBERED)
        self._of_addresses: Lru[str, TokenBucket] = Lru(MAX_ADDRESSES)
        self._all: TokenBucket | None = None

    def replace(self, conn: Connection, lists: Mapping[int, SoftwareOf], new_per_day: int) -> dict[int, int]:
        """These computers have this software and no other. Gives how many items of each were left out, because too
        many are new; only of those where some were."""
        known: set[tuple[int, int]] = set()
        for keys in dialect.chunks(list(lists)):
            known.update(map(tuple, conn.execute(select(installed).where(installed.c.computer_id.in_(keys))).all()))
        ids = self._find_ids(conn, {item for each in lists.values() for item in each.items})
        left_out = self._add_new(conn, lists, ids, new_per_day)
        try:
            with conn.begin_nested():
                self._write(conn, lists, ids, known)
        except IntegrityError:  # another process has deleted some that are remembered here
            self._ids = Lru(MAX_REMEMBERED)
            ids = _read_ids(conn, list(ids))
            left_out = self._add_new(conn, lists, ids, 0)
            self._write(conn, lists, ids, known)
        return left_out

    def _write(
        self,
        conn: Connection,
        lists: Mapping[int, SoftwareOf],
        ids: Mapping[InstalledSoftware, int],
        known: set[tuple[int, int]],
    ) -> None:
        wanted = {(key, ids[item]) for key, each in lists.items() for item in each.items if item in ids}
        many_rows.delete_pairs(conn, installed, sorted(known - wanted))
        many_rows.insert_pairs(conn, installed, sorted(wanted - known))

    def _find_ids(self, conn: Connection, items: Collection[InstalledSoftware]) -> dict[InstalledSoftware, int]:
        found = {item: known for item in items if (known := self._ids.get(item)) is not None}
        read = _read_ids(conn, [item for item in items if item not in found])
        for item, key in read.items():
            # Only what is committed is remembered: an id of a transaction that is rolled back is given again.
            self._ids.put(item, key)
        return found | read

    def _add_new(
        self, conn: Connection, lists: Mapping[int, SoftwareOf], ids: dict[InstalledSoftware, int], new_per_day: int
    ) -> dict[int, int]:
        """Add rows for what is not among `ids` yet, and its ids."""
        new: dict[InstalledSoftware, None] = {}
        left_out = {}
        for key, each in lists.items():
            missing = [item for item in each.items if item not in ids and item not in new]
            taken = missing[: self._take(each, len(missing), new_per_day)] if new_per_day else missing
            new |= dict.fromkeys(taken)
            if len(taken) < len(missing):
                left_out[key] = len(missing) - len(taken)
        if new:
            for some in dialect.chunks(list(new), PART):
                dialect.insert_missing(conn, software, [_row(item) for item in some])
            ids |= _read_ids(conn, list(new))
        return left_out

    def _take(self, each: SoftwareOf, wanted: int, new_per_day: int) -> int:
        """How many of the new items that an inventory lists are taken."""
        if not wanted:
            return 0
        if self._all is None or self._all.capacity != new_per_day:
            self._all = TokenBucket(new_per_day / DAY_S, new_per_day, each.now_s)
        buckets = [self._all]
        if not is_loopback(each.address):  # a proxy on this machine stands for all agents
            buckets.append(self._of_address(peer_of(each.address), max(new_per_day // ADDRESS_SHARE, 1), each.now_s))
        taken = wanted
        for bucket in buckets:
            bucket.wait_s(0, each.now_s)  # brings its level up to this time
            taken = min(taken, int(bucket.level))
        for bucket in buckets:
            bucket.spend(taken)
        return max(taken, 0)

    def _of_address(self, peer: str, per_day: int, now_s: float) -> TokenBucket:
        bucket = self._of_addresses.get(peer)
        if bucket is None or bucket.capacity != per_day:
            bucket = TokenBucket(per_day / DAY_S, per_day, now_s)
            self._of_addresses.put(peer, bucket)
        return bucket


def _read_ids(conn: Connection, items: Sequence[InstalledSoftware]) -> dict[InstalledSoftware, int]:
    by_digest = {digest_of_values(item): item for item in items}
    found: dict[InstalledSoftware, int] = {}
    for digests in dialect.chunks(list(by_digest), PART):
        query = select(software.c.id, software.c.digest).where(software.c.digest.in_(digests))
        found.update((by_digest[row.digest], row.id) for row in conn.execute(query))
    return found


def delete_unused(conn: Connection) -> int:
    """Delete at most `MAX_DELETED` rows of software that no computer has; gives how many."""
    unused = ~exists().where(installed.c.software_id == software.c.id)
    ids = list(conn.scalars(select(software.c.id).where(unused).limit(MAX_DELETED)))
    if ids:
        conn.execute(delete(software).where(software.c.id.in_(ids)))
    return len(ids)


def _row(item: InstalledSoftware) -> dict[str, object]:
    return {
        "digest": digest_of_values(item),
        "name": item.name,
        "name_key": fold(item.name),
        "version": item.version,
        "version_key": version_key(item.version),
        "publisher": item.publisher,
        "publisher_key": fold(item.publisher),
    }
