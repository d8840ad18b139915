"""Computers that were chosen in a list: some by their DEVICEIDs, or all that its filter finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quart import request

from distd.domain.assignment_terms import BY_HAND, AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput
from distd.origin.computers import saved_filters
from distd.origin.computers.computers import WantedComputers
from distd.origin.computers.search import Search, find_device_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.operations.operation import Asked

NAMED: Final = 10  # of those that a page shows
MAX_CHOSEN: Final = 10_000  # by DEVICEID; more by a filter


@dataclass(frozen=True, slots=True)
class ChosenNow:
    """How many were chosen, and the names of some."""

    count: int
    names: list[str]


@dataclass(frozen=True, slots=True)
class ChosenComputers:
    """`everything`: all that `filter` finds; else those of `device_ids`. `filter` and `show` are also those of the list
    they were chosen in, to go back to."""

    device_ids: Sequence[str] = ()
    filter: str = ""
    everything: bool = False
    show: str = ""

    @property
    def origin(self) -> AssignmentOrigin:
        """What packages are assigned by."""
        return AssignmentOrigin(OriginKind.FILTER, self.filter) if self.everything else BY_HAND

    def find(self, conn: Connection, asked: Asked) -> list[str]:
        """Their DEVICEIDs. Raises `BadInput` for none, and for a filter that is none."""
        if not self.everything:
            found = list(dict.fromkeys(self.device_ids))
        else:
            tree = saved_filters.read_filter(conn, asked.actor, self.filter)
            found = find_device_ids(conn, Search(asked.now_s, tree, wanted=shown_ones(self.show), reader=asked.actor))
        if not found:
            raise BadInput("computers", "computers that are chosen in a list", "none")
        if not self.everything and len(found) > MAX_CHOSEN:
            raise BadInput("computers", f"at most {MAX_CHOSEN}, or all that a filter finds", len(found))
        return found

    def count(self, conn: Connection, asked: Asked) -> ChosenNow:
        """How many they are. Raises `BadInput`, as `find` does."""
        found = self.find(conn, asked)
        return ChosenNow(len(found), found[:NAMED])


async def read_chosen() -> ChosenComputers:
    """What this request chooses, in its address or its form."""
    values = request.args if request.method == "GET" else await request.form
    names = [name for name in values.getlist("computer") if name]
    return ChosenComputers(names, values.get("filter", "").strip(), values.get("all") == "yes", values.get("show", ""))


def shown_ones(show: str) -> WantedComputers:
    """What a list shows beside its filter."""
    return WantedComputers(changed=show == "changed", waiting=show == "waiting")
