"""What is done with the events of the origin: the parts of the mirror apply them, and the last state is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.errors import Corrupt
from distd.wire.mirror_events import State
from redistrib.mirror_dir import read_state, write_state

if TYPE_CHECKING:
    import logging

    from distd.wire.mirror_events import PackageChange
    from redistrib.mirror_dir import MirrorDir
    from redistrib.neighbours import Neighbours
    from redistrib.reporter import Reporter
    from redistrib.sync import Sync


class EventHandler:
    """Hands the events of the origin to the parts of the mirror, and keeps the last state for the next start."""

    def __init__(self, mirror: MirrorDir, neighbours: Neighbours, sync: Sync, reporter: Reporter) -> None:
        self._mirror = mirror
        self._neighbours = neighbours
        self._sync = sync
        self._reporter = reporter

    def apply(self, event: State | PackageChange) -> None:
        """Take an event."""
        self._neighbours.learn(event)
        self._sync.apply(event)
        if isinstance(event, State):
            self._reporter.report_all()  # an origin that says everything is to be told everything
            write_state(self._mirror, event)

    def restore(self, log: logging.Logger) -> None:
        """Apply the state of the last run: so that the mirror serves and fetches while the origin is away."""
        try:
            state = read_state(self._mirror)
        except Corrupt as error:
            log.warning("%s", error)
            return
        if state is not None:
            self._neighbours.learn(state)
            self._sync.apply(state)
