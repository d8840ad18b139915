"""For whom a new package is meant, in the second step of its creation, and when they would have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain import bandwidth
from distd.domain.cut_preview import finish_of_many
from distd.domain.errors import BadInput, NotFound
from distd.domain.filters.patterns import escape
from distd.domain.filters.render import quote
from distd.domain.page import Window
from distd.origin.computers import saved_filters, search
from distd.origin.computers.search import Search
from distd.origin.groups import groups

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.cut_preview import Course, Cut
    from distd.domain.settings import Settings
    from distd.operations.operation import Asked

ALL: Final = "*"
HOUR_S: Final = 3600
MAX_OFFERED: Final = 200  # groups, and saved searches


@dataclass(frozen=True, slots=True)
class Audience:
    """How many computers, and by share of them (%) when they have the package, in seconds; `limit_bytes_per_s`: what
    the server sends to all together at most."""

    computers: int
    is_exact: bool
    after_s: dict[int, float]
    limit_bytes_per_s: float | None


def offers(conn: Connection, asked: Asked) -> list[tuple[str, str]]:
    """What can be chosen beside all computers: (filter, name) of groups and saved searches."""
    found = groups.list_groups(conn, asked.actor, None, Window(MAX_OFFERED)).items
    saved = saved_filters.list_filters(conn, asked.actor, Window(MAX_OFFERED)).items
    of_groups = [(f"group({quote(escape(each.name))})", each.name) for each in found]
    return of_groups + [(f'@"{each.name}"', f"@{each.name}") for each in saved]


def count(conn: Connection, asked: Asked, chosen: str) -> tuple[int, bool]:
    """How many computers `chosen` is, `ALL` or a filter, and whether that is exact. What cannot be read is none."""
    try:
        tree = saved_filters.read_filter(conn, asked.actor, "" if chosen == ALL else chosen)
    except (BadInput, NotFound):
        return 0, True
    return search.count(conn, Search(asked.now_s, tree, reader=asked.actor))


def audience_of(counted: tuple[int, bool], course: Course, cut: Cut, settings: Settings) -> Audience:
    """When so many computers have it, whose agents follow the settings of the site."""
    rules = bandwidth.parse(settings.bandwidth.rules, "bandwidth.rules")
    shared = [rule.bytes_per_s for rule in rules if rule.network is None and not rule.each]
    limit = min(shared, default=None)
    every_s = settings.agents.prolog_freq_h * HOUR_S
    after_s = finish_of_many(counted[0], course, cut, every_s, limit)
    return Audience(*counted, after_s, limit)
