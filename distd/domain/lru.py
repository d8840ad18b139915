"""A mapping with a limit, which removes the least recently used item."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key")
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """At most `capacity` items; `capacity` is at least 1. With `weigh` items whose weights are together at most so
    much; the one that was put last stays in any case."""

    __slots__ = ("_capacity", "_items", "_weigh", "_weight")

    def __init__(self, capacity: int, weigh: Callable[[Value], int] = lambda _: 1) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._weight = 0
        self._items: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Value | None:
        """The value, which counts as used now; None: there is none."""
        value = self._items.get(key)
        if value is not None:
            self._items.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Store a value, in place of the one that the key had, or of the least recently used one."""
        self.pop(key)
        self._items[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._capacity and len(self._items) > 1:
            self._weight -= self._weigh(self._items.popitem(last=False)[1])

    def pop(self, key: Key) -> Value | None:
        """Remove a value and return it; None: there is none."""
        value = self._items.pop(key, None)
        if value is not None:
            self._weight -= self._weigh(value)
        return value
