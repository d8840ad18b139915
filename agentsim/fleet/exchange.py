"""An emulated agent's exchanges: one request and its answer at a time, over its one connection, with its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

from agentsim.fleet.counters import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsim.fleet.context import Context
    from agentsim.fleet.faults import Fault
    from distd.domain.records import Dialect
    from distd.lane.client.link import Endpoint, Link

SUCCESS: Final = (200, 206)
MAX_REDIRECTS: Final = 5
BAD_REDIRECT: Final = "a redirect without a usable address"
_REDIRECT: Final = frozenset({301, 302, 303, 307, 308})
_FOLLOWED: Final = (Kind.FRAGMENT, Kind.INFO)


class Requester(Protocol):
    """Whose exchanges they are. `due_s`: when the request was due, which the next one is now."""

    def answered(self, link: Link, due_s: float) -> None:
        """The answer has come whole, with status 200 or 206. `link` describes it until this returns."""

    def failed(self, why: str, link: Link | None, status: int, due_s: float) -> None:
        """`link` as in `Caller.failed`. `status`: of an answer that came whole, 0 when none did."""

    def redirected(self, link: Link) -> None:
        """The answer names another address: `Exchange.follow` asks there."""

    def suspend(self, until_s: float, resume: Callable[[], None]) -> None:
        """The computer is closed; `resume` is to be called at that time."""

    def vanish(self) -> None:
        """The computer is gone for good."""


class Exchange:
    """A caller of the network. `number`: the agent's. `due_s`: when the request was due."""

    __slots__ = ("_context", "_dialect", "_redirects", "_requester", "due_s", "fault", "kind", "link", "number")

    def __init__(
        self, context: Context, requester: Requester, number: int, dialect: Dialect, fault: Fault | None
    ) -> None:
        self._context = context
        self._requester = requester
        self._dialect = dialect
        self._redirects = 0
        self.number = number
        self.fault = fault
        self.link: Link | None = None
        self.kind = Kind.PROLOG
        self.due_s = 0.0

    def close(self) -> None:
        """Close the connection, if there is one; nothing is heard of an exchange that is under way."""
        if self.link is not None:
            self.link.close()

    # --- asking

    def post(self, kind: Kind, body: bytes) -> None:
        """Send `body` to the server. Its answer is kept."""
        self.kind = kind
        head = self._context.post_heads[self._dialect]
        self._send(self._context.server, head % len(body) + body, keep=True)

    def get(
        self, kind: Kind, scheme: str, folder: str, path: str, *, keep: bool, digest: Any = None, fields: str = ""
    ) -> None:
        """Ask for `path` below `folder`, which is "host:port/path".

        `keep`: the body is wanted. `digest`: any object with `update`, which gets the body as it comes. `fields`: more
        fields of the head, each with the end of its line.
        """
        self.kind = kind
        endpoint, start, end = self._context.location(scheme, folder, self._dialect)
        request = f"{start}{path} HTTP/1.1\r\n{fields}{end}".encode()
        if self.fault is None:  # nearly always, and this is done very often
            self._context.network.ask(self, endpoint, request, keep=keep, digest=digest)
        else:
            self._send(endpoint, request, keep=keep, digest=digest)

    def follow(self, link: Link, *, keep: bool, digest: Any = None, fields: str = "") -> None:
        """Ask where the answer says; the exchange has failed where it says nothing of use."""
        self._context.counters.redirects += 1
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            self.failed("too many redirects", link)
            return
        endpoint = link.endpoint
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        base = f"{'https' if endpoint.is_tls else 'http'}://{host}:{endpoint.port}/"
        try:
            target = urlsplit(urljoin(base, link.field(b"location")))
        except ValueError:  # a bracket that is not closed, for instance
            self.failed(BAD_REDIRECT, link)
            return
        if target.scheme not in ("http", "https") or not target.netloc:
            self.failed(BAD_REDIRECT, link)
            return
        path = target.path.removeprefix("/") + (f"?{target.query}" if target.query else "")
        self.get(self.kind, target.scheme, target.netloc, path, keep=keep, digest=digest, fields=fields)

    def _send(self, endpoint: Endpoint, request: bytes, *, keep: bool, digest: Any = None) -> None:
        fault = self.fault
        limit_bytes_per_s = 0.0
        if fault is not None:
            limit_bytes_per_s = fault.limit_bytes_per_s
            fault.requests += 1
            if fault.requests == fault.vanish_at:
                self._requester.vanish()
                return
            if fault.requests == fault.sleep_at:
                self.close()
                self.due_s = self._context.network.now_s + fault.sleep_s / self._context.time_scale
                resume = lambda: self._send(endpoint, request, keep=keep, digest=digest)  # noqa: E731
                self._requester.suspend(self.due_s, resume)
                return
        self._context.network.ask(
            self, endpoint, request, keep=keep, digest=digest, limit_bytes_per_s=limit_bytes_per_s
        )

    # --- called by the network

    def answered(self, link: Link) -> None:
        """The answer has come whole."""
        status = link.status
        if status in SUCCESS:
            context, due_s = self._context, self.due_s
            now_s = context.clock()
            self.due_s, self._redirects = now_s, 0
            context.counters.latencies_s[self.kind].append(now_s - due_s)
            self._requester.answered(link, due_s)
        elif status in _REDIRECT and self.kind in _FOLLOWED:
            self._requester.redirected(link)
        else:
            self._fail(f"HTTP {status}", link, status)

    def failed(self, why: str, link: Link | None) -> None:
        """There is no whole answer."""
        self._fail(why, link, 0)

    def _fail(self, why: str, link: Link | None, status: int) -> None:
        context, due_s = self._context, self.due_s
        now_s = context.clock()
        self.due_s, self._redirects = now_s, 0
        context.counters.latencies_s[self.kind].append(now_s - due_s)
        self._requester.failed(why, link, status, due_s)
