"""Connections and requests of each address, while there is a limit on them."""

from __future__ import annotations

from typing import Final

# How many seconds' requests an address may make at once, after a pause.
BURST_S: Final = 2.0


class Visitor:
    """`level` is how many requests may come at once, as of `at_s`."""

    __slots__ = ("at_s", "connections", "level")

    def __init__(self, level: float, at_s: float) -> None:
        self.connections = 0
        self.level = level
        self.at_s = at_s


class Visitors:
    """Keeps an address only while it is connected, or has lately asked: at most as many as connections came lately.

    A limit of 0 is none. Times are any steady clock's.
    """

    def __init__(self, connections: int, heads_per_s: int) -> None:
        self._connections = connections
        self._heads_per_s = heads_per_s
        self._full = max(heads_per_s * BURST_S, 1.0)
        self._known: dict[str, Visitor] = {}

    def come(self, address: str, now_s: float) -> bool:
        """A connection of this address. False: it has too many; then it does not count."""
        visitor = self._known.setdefault(address, Visitor(self._full, now_s))
        if self._connections and visitor.connections >= self._connections:
            return False
        visitor.connections += 1
        return True

    def leave(self, address: str) -> None:
        visitor = self._known.get(address)
        if visitor is not None:  # else it came before there were limits
            visitor.connections = max(visitor.connections - 1, 0)

    def may_ask(self, address: str, now_s: float) -> bool:
        """A request of this address. False: it asks too often."""
        visitor = self._known.get(address)
        if visitor is None or not self._heads_per_s:
            return True
        visitor.level = min(visitor.level + (now_s - visitor.at_s) * self._heads_per_s, self._full)
        visitor.at_s = now_s
        if visitor.level < 1:
            return False
        visitor.level -= 1
        return True

    def sweep(self, now_s: float) -> None:
        """Forget who has gone, once nothing is left to remember."""
        gone = [a for a, v in self._known.items() if not v.connections and now_s - v.at_s > BURST_S]
        for address in gone:
            del self._known[address]
