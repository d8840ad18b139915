"""Events of many computers that are one act, as one line: an act for a class of 30 is not to fill a page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.origin.operators.events import LoggedEvent


@dataclass(frozen=True, slots=True)
class EventRun:
    """`event`, the newest, and how many that follow it are the same of other computers. `goes_on`: perhaps of more,
    which were not read."""

    event: LoggedEvent
    others: int = 0
    goes_on: bool = False


def in_runs(events: Sequence[LoggedEvent], most: int, *, are_all: bool) -> list[EventRun]:
    """At most `most` runs of events that stand one after the other; `are_all`: there are none before them."""
    runs = [list(run) for _, run in groupby(events, key=_act)]
    last = len(runs) - 1
    return [
        EventRun(run[0], len(run) - 1, goes_on=place == last and len(run) > 1 and not are_all)
        for place, run in enumerate(runs[:most])
    ]


def _act(event: LoggedEvent) -> tuple[object, ...]:
    if event.device_id is None:
        return (event.seq,)
    return (event.kind, event.actor, event.package_id, event.detail)
