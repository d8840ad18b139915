"""What an emulated agent may ask of the shard that it lives in: it knows nothing else of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agentsim.fleet.counters import ShardCounters
    from agentsim.fleet.messages import Transfers
    from distd.domain.records import Dialect, Info, Manifest, PrologReply
    from distd.lane.client.link import Caller, Endpoint


class Location(NamedTuple):
    """Where to connect to, and what stands before and behind a path in the head of a GET."""

    endpoint: Endpoint
    start: str
    end: str


class Network(Protocol):
    """Exchanges and timers; a `ClientPool` is one. `now_s`: the time of the present turn, on the shard's clock."""

    now_s: float

    def ask(
        self,
        caller: Caller,
        endpoint: Endpoint,
        request: bytes,
        *,
        keep: bool = ...,
        digest: Any = ...,
        limit_bytes_per_s: float = ...,
    ) -> None:
        """Send a request. `caller` is called with its outcome, never before this returns."""

    def at(self, due_s: float, call: Callable[[], None]) -> None:
        """Call it at that time."""


class Context(Protocol):
    """Times are in seconds."""

    @property
    def clock(self) -> Callable[[], float]:
        """The time now; `network.now_s` is that of the present turn, on the same clock."""

    @property
    def network(self) -> Network:
        """What carries the exchanges, and has the timers."""

    @property
    def counters(self) -> ShardCounters:
        """Where all agents of the shard count."""

    @property
    def once(self) -> bool:
        """Whether agents end when nothing is left to do, instead of making their next contact."""

    @property
    def time_scale(self) -> float:
        """How many times as fast latencies and the time between contacts pass."""

    @property
    def keep_alive_s(self) -> float:
        """A connection is closed before a pause that is not shorter than that."""

    @property
    def server(self) -> Endpoint:
        """Where to send PROLOG, inventory and results."""

    @property
    def post_heads(self) -> Mapping[Dialect, bytes]:
        """Heads of a POST to the server; "%d" stands for the body's length."""

    @property
    def location(self) -> Callable[[str, str, Dialect], Location]:
        """Of a scheme and "host:port/path", in the words of a dialect."""

    @property
    def read_info(self) -> Callable[[bytes], Info]:
        """Parse an `info`. Raises `BadInput`."""

    @property
    def read_manifest(self) -> Callable[[bytes], Manifest]:
        """Check and parse a manifest. Raises `Corrupt`."""

    def elapsed_s(self, now_s: float) -> float:
        """Seconds from the beginning, as they really pass."""

    def machine_s(self) -> float:
        """The time of the agents' machines, for which days pass as fast as latencies."""

    def inventory(self, number: int, history: Iterable[str]) -> bytes:
        """The body of an agent's INVENTORY."""

    def transfers(self, endpoint: Endpoint) -> Transfers:
        """Where fragments from that endpoint are counted."""

    def note_settings(self, reply: PrologReply) -> None:
        """Agents were told this: the forecast needs it."""

    def expect_until(self, end_s: float) -> None:
        """An agent will be at work until then, by the clock, as far as it is known."""

    def remove(self, agent: Any) -> None:
        """An agent has ended."""
