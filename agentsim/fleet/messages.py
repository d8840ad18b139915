"""What a shard reports of its agents, and the bytes in which other processes and machines send it."""

from __future__ import annotations

import msgspec


class Transfers(msgspec.Struct):
    """Fragments that came from one place, and their bytes."""

    fragments: int = 0
    bytes: int = 0


class PackageCounters(msgspec.Struct):
    """A package, as the agents were told of it.

    `count`: how many fragments it has. `listed`: agents that it was given to, `good` of which have deployed it.
    `done_s`: when agents had it assembled, in seconds from the beginning; not yet reported.
    """

    priority: int
    count: int
    listed: int = 0
    good: int = 0
    fragments: int = 0
    bytes: int = 0
    done_s: list[float] = msgspec.field(default_factory=list)


class ShardMessage(msgspec.Struct, kw_only=True):
    """Counts since the beginning; `latencies`, `contacts_s`, `finished_s` and each `done_s` since the last message.

    `states`: how many agents are in each, in the order of `State`. `latencies`: by kind, microseconds and how often
    each came. `errors`: kind, reason, how often. `settings`: latencies and times that agents were told. `over`: the
    last message. `stopped`: the shard was told to end before all were through.
    """

    at_s: float
    over: bool = False
    stopped: bool = False
    memory_bytes: int = 0
    states: list[int]
    latencies: dict[str, tuple[list[int], list[int]]]
    requests: dict[str, int]
    errors: list[tuple[str, str, int]]
    results: dict[str, int]
    places: dict[str, Transfers]
    packages: dict[str, PackageCounters]
    contacts_s: list[float]
    finished_s: list[float]
    verified: int
    verified_bytes: int
    bad: int
    unanswered: int
    retries: int
    redirects: int
    received_bytes: int
    open_connections: int
    connections: int
    handshakes: int
    busy: int
    expected_s: float
    settings: dict[str, int]


_DECODER = msgspec.msgpack.Decoder(ShardMessage)


def encode(message: ShardMessage) -> bytes:
    """As msgpack."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes) -> ShardMessage:
    """Raises `msgspec.DecodeError` for what is no message."""
    return _DECODER.decode(data)
