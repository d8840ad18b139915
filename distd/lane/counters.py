"""What a lane counts, as plain numbers: whoever publishes them looks at them now and then."""

from __future__ import annotations

from collections import defaultdict


class Counts:
    """Since the start, but for `connections` and `paused`, which are those of this moment."""

    __slots__ = ("accepted", "connections", "handed_over", "handshakes", "paused", "refused", "sent_bytes", "statuses")

    def __init__(self) -> None:
        self.accepted = 0
        self.handshakes = 0
        self.handed_over = 0
        self.sent_bytes = 0
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.connections = 0
        self.paused = 0
