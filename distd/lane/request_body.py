"""The body of a request, gathered piece by piece within the lane's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.wire.http import HeadError

if TYPE_CHECKING:
    from distd.lane.turn import Turn
    from distd.wire.http import Head

# The minimum transfer rate of a body, beyond `head_timeout_s`.
MIN_BODY_BYTES_PER_S: Final = 10_000


class RequestBody:
    """`data` is what has come of it, `left_bytes` what has not. `close` gives its share of the memory back."""

    __slots__ = ("_end_s", "_reserved_bytes", "_turn", "data", "head", "left_bytes")

    def __init__(self, head: Head, length_bytes: int, address: str, turn: Turn) -> None:
        """Raises `HeadError`: 413 for a body that is too large, 429 for one that comes too soon after others."""
        limits = turn.limits
        if length_bytes > limits.body_bytes:
            raise HeadError(413, f"body of a request: expected at most {limits.body_bytes} bytes, got {length_bytes}")
        if not turn.bodies.take(address, length_bytes, turn.now_s):
            raise HeadError(429, "too many large bodies of this address: limits.large_body_bytes_per_s_per_address")
        self.head = head
        self.data = bytearray()
        self.left_bytes = length_bytes
        self._turn = turn
        self._reserved_bytes = 0
        self._end_s = turn.now_s + limits.head_timeout_s + length_bytes / MIN_BODY_BYTES_PER_S

    def take(self, data: bytes) -> bytes:
        """Take what belongs to it; returns what is behind its end. Raises `HeadError` (503) when all bodies together
        would take too much memory."""
        piece, rest = data[: self.left_bytes], data[self.left_bytes :]
        if not self._turn.reserve(len(piece)):
            raise HeadError(503, "too many requests are waiting")
        self._reserved_bytes += len(piece)
        self.data += piece
        self.left_bytes -= len(piece)
        return rest

    def whole(self) -> bytes:
        """All of it, once nothing is left to come; it is not kept here too."""
        data, self.data = bytes(self.data), bytearray()
        return data

    def deadline_s(self) -> float:
        """When the next piece must have come: it must keep coming, and it must come to an end."""
        return min(self._end_s, self._turn.now_s + self._turn.limits.head_timeout_s)

    def close(self) -> None:
        """Its memory is free again."""
        self._turn.buffered_bytes -= self._reserved_bytes
        self._reserved_bytes = 0
