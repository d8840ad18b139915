"""How an emulated agent asks: over its one connection, with what may befall it on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from agentsim.fleet.counters import Kind, State

if TYPE_CHECKING:
    from agentsim.fleet.faults import Fate
    from agentsim.fleet.shard import Shard
    from distd.domain.records import Dialect
    from distd.lane.client.link import Link, Place

REDIRECTS: Final = 5
NOWHERE: Final = "a redirect to nowhere"


class Asking:
    """A caller of the swarm, up to what it asks for and what it makes of the answer."""

    __slots__ = ("_dialect", "_due_s", "_fate", "_hops", "_kind", "_requests", "_shard", "_state", "link", "number")

    def __init__(self, shard: Shard, number: int, dialect: Dialect, fate: Fate | None) -> None:
        self._shard = shard
        self.number = number
        self.link: Link | None = None
        self._dialect = dialect
        self._fate = fate
        self._state = State.AWAITED
        self._requests = self._hops = 0
        self._due_s = 0.0
        self._kind = Kind.PROLOG

    def answered(self, link: Link) -> None:
        raise NotImplementedError

    def failed(self, why: str, link: Link | None) -> None:
        raise NotImplementedError

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._shard.tally.move(self._state, state)
            self._state = state

    def leave(self, state: State) -> None:
        """Be no more."""
        if self.link is not None:
            self.link.close()
        self._enter(state)
        self._shard.left(self)

    def _ask(self, kind: Kind, place: Place, request: bytes, *, keep: bool, digest: Any = None) -> None:
        self._kind = kind
        fate = self._fate
        limit_bytes_per_s = 0.0
        if fate is not None:
            limit_bytes_per_s = fate.limit_bytes_per_s
            self._requests += 1
            if self._requests == fate.vanish_at:
                self.leave(State.VANISHED)
                return
            if self._requests == fate.sleep_at:
                self._sleep(fate, kind, place, request, keep=keep, digest=digest)
                return
        self._shard.swarm.ask(self, place, request, keep=keep, digest=digest, limit_bytes_per_s=limit_bytes_per_s)

    def _sleep(self, fate: Fate, kind: Kind, place: Place, request: bytes, *, keep: bool, digest: Any) -> None:
        """Its computer is closed, and goes on later where it was."""
        if self.link is not None:
            self.link.close()
        before = self._state
        self._enter(State.ASLEEP)
        self._due_s = self._shard.swarm.now_s + fate.sleep_s / self._shard.order.time_scale

        def awake() -> None:
            self._enter(before)
            self._ask(kind, place, request, keep=keep, digest=digest)

        self._shard.swarm.at(self._due_s, awake)

    def _post(self, kind: Kind, body: bytes) -> None:
        shard = self._shard
        head = shard.post_heads[self._dialect]
        self._ask(kind, shard.server, head % len(body) + body, keep=True)

    def _get(
        self, kind: Kind, scheme: str, folder: str, name: str, *, keep: bool, digest: Any = None, fields: str = ""
    ) -> None:
        """`folder`: "host:port/path"."""
        place, start, end = self._shard.folder(scheme, folder, self._dialect)
        self._ask(kind, place, f"{start}{name} HTTP/1.1\r\n{fields}{end}".encode(), keep=keep, digest=digest)

    def _follow(self, link: Link, *, keep: bool, digest: Any, fields: str = "") -> str:
        """Ask where the answer says; or why not."""
        shard = self._shard
        shard.tally.redirects += 1
        self._hops += 1
        if self._hops > REDIRECTS:
            return "too many redirects"
        scheme, host = "https" if link.place.is_tls else "http", link.place.host
        base = f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"
        try:
            target = urlsplit(urljoin(f"{base}:{link.place.port}/", link.field(b"location")))
        except ValueError:  # a bracket that is not closed, for instance
            return NOWHERE
        if target.scheme not in ("http", "https") or not target.netloc:
            return NOWHERE
        folder, _, name = f"{target.netloc}{target.path or '/'}".rpartition("/")
        query = f"?{target.query}" if target.query else ""
        self._get(self._kind, target.scheme, folder, name + query, keep=keep, digest=digest, fields=fields)
        return ""
