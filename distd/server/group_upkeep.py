"""What a server does for groups every now and then: members follow filters that speak of time, of contacts and of
packages, also where no agent makes a contact; and packages that were not active when members came are given."""

from __future__ import annotations

import itertools
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from distd.catalogue import dialect
from distd.origin.groups import following, given_packages
from distd.origin.groups.directory import GroupDirectory
from distd.server.repeating import Faults, repeat

if TYPE_CHECKING:
    import logging

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.origin.groups.given_packages import LateGift

FOLLOW_S: Final = 60.0
WHOLE: Final = 60  # every so many times all groups are compared, whatever their filters read


async def run_groups(reader: Reader, writer: Writer, log: logging.Logger) -> None:
    """Until cancelled. What the catalogue does not take is tried again the next time."""
    directory, rounds, faults = GroupDirectory(), itertools.count(), Faults(log)

    async def give(late: LateGift) -> None:
        await _give(reader, writer, late)

    async def follow() -> None:
        await _follow(reader, writer, directory, whole=next(rounds) % WHOLE == 0)
        found = await reader.run(given_packages.find_late)
        await faults.keep_each_from(found, give, "members of a group do not get a package")

    await repeat(follow, FOLLOW_S, "members of groups do not follow", log)


async def _follow(reader: Reader, writer: Writer, directory: GroupDirectory, *, whole: bool) -> None:
    """Searches read beside the writer; only computers that they find are judged in its transactions."""

    def find(conn: Connection) -> dict[int, set[int]]:
        dynamic = directory.current(conn)
        return following.find_others(conn, dynamic, dynamic.all if whole else dynamic.volatile, time.time())

    def follow(conn: Connection, found: dict[int, set[int]]) -> None:
        following.follow_found(conn, directory.current(conn), found, time.time())

    found = await reader.run(find)
    for ids in dialect.chunks(list(found), following.MAX_JUDGED):
        await writer.run(partial(follow, found={computer_id: found[computer_id] for computer_id in ids}))


async def _give(reader: Reader, writer: Writer, late: LateGift) -> None:
    """Members get what was not active when they came, not all of them in one transaction."""
    members = await reader.run(partial(given_packages.members_for, late=late))
    for ids in dialect.chunks(members, given_packages.MAX_LATE):
        await writer.run(partial(given_packages.give_late, late=late, computer_ids=ids, now_s=time.time()))
    await writer.run(partial(given_packages.end_late, late=late))
