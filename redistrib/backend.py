"""What the lane asks of a mirror: whose a token is, and where a file is that is not here (yet)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from distd.domain.lru import Lru
from distd.lane.backend import LOCAL, Located
from distd.lane.refusal import is_private, refuse
from redistrib.control_port import FORWARDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.backend import FileRequest, Post, PostAnswer, RefusedHandOver
    from distd.lane.streams import PlainStream, TlsStream
    from redistrib.access_spool import AccessSpool
    from redistrib.control_port import ControlPort
    from redistrib.local_packages import LocalPackages
    from redistrib.neighbours import Neighbours
    from redistrib.on_demand import OnDemand
    from redistrib.status import Statistics
    from redistrib.sync import Sync

MAX_TOKENS: Final = 200_000
MAX_PULLED: Final = 20_000  # fragments that were fetched for an agent and are being sent to it


class Redirects:
    """Sends agents to the neighbour that has what is not here."""

    def __init__(self, neighbours: Neighbours, statistics: Statistics) -> None:
        self._neighbours = neighbours
        self._statistics = statistics

    def locate(self, request: FileRequest) -> Located:
        """A redirect with the token of the request."""
        scheme, host = urlsplit(self._neighbours.redirect_target())[:2]
        path = f"~{request.token}/{request.key}" if request.token else request.key
        self._statistics.counts.redirected += 1
        return Located(location=f"{scheme}://{host}/download/{path}")


class _Delivery(NamedTuple):
    """A fragment on its way to an agent."""

    package_id: str
    number: int
    address: str


class MirrorBackend:
    """The lane's `Backend` for a mirror of an origin."""

    def __init__(
        self,
        local: LocalPackages,
        sync: Sync,
        on_demand: OnDemand,
        redirects: Redirects,
        statistics: Statistics,
        spool: AccessSpool,
        control_port: ControlPort,
    ) -> None:
        self._local = local
        self._sync = sync
        self._on_demand = on_demand
        self._redirects = redirects
        self._statistics = statistics
        self._spool = spool
        self._control_port = control_port
        self._tokens: Lru[int, str] = Lru(MAX_TOKENS)  # by the computer's number, which is in the token
        self._pulled: Lru[_Delivery, int] = Lru(MAX_PULLED)  # how many answers are on their way

    def computer_of(self, token: str) -> int | None:
        """Only the origin can tell whether a token is good: here each one is taken, and the origin is told of it."""
        number = int(token.partition("-")[0], 36)
        self._tokens.put(number, token)
        return number

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int, address: str) -> None:
        """Count a fragment that was sent, for the status and for the origin."""
        token = self._tokens.get(computer_id) or ""
        missed = self._was_pulled(_Delivery(package_id, number, address))
        self._statistics.sent(token or address, size_bytes, missed=missed)
        self._spool.add(token, address, package_id, number, size_bytes)
        self._sync.used(package_id)

    def post(self, post: Post, answer: PostAnswer) -> None:
        """Refuse: agents talk to the origin."""
        answer(404, b"this is a redistribution server: agents talk to the origin\n")

    def refusal(self, path: bytes, address: str) -> RefusedHandOver | None:
        """None: the control port has limits of its own."""
        return None

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        """Let the control port answer. Keys and tokens of mirrors behind this one come by https only."""
        if path.startswith(FORWARDED.encode()) and not is_private(stream):
            refuse(stream, 403, "a mirror's token and key are for https only")
        else:
            self._control_port.serve(stream)

    def may_be_redirected(self, package_id: str) -> bool:
        """Whether a package has bad files."""
        return self._local.has_bad(package_id)

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        """A fragment that is not here is fetched; other files, and bad ones, are at a neighbour."""
        package_id = wanted.package_id
        if self._local.has_bad(package_id):
            if self._local.is_bad(package_id, wanted.key.rpartition("/")[2]):
                self._count_miss(wanted)
                return self._redirects.locate(wanted)
            if package_id in self._local.versions:
                return LOCAL
        package = self._sync.wanted.get(package_id)
        if package is None:
            return Located(status=404)
        self._count_miss(wanted)
        if not wanted.number:
            return self._redirects.locate(wanted)

        def settle(located: Located) -> None:
            if located is LOCAL or located.file is not None:
                delivery = _Delivery(package_id, wanted.number, wanted.address)
                self._pulled.put(delivery, (self._pulled.get(delivery) or 0) + 1)
            answer(located)

        return self._on_demand.submit(wanted, package.version, settle)

    def _count_miss(self, wanted: FileRequest) -> None:
        """Fragments alone: infos and manifests are no hits either."""
        self._statistics.counts.misses += wanted.number > 0

    def _was_pulled(self, delivery: _Delivery) -> bool:
        """Whether a fragment that was sent had been fetched for its request."""
        waiting = self._pulled.pop(delivery) or 0
        if waiting > 1:
            self._pulled.put(delivery, waiting - 1)
        return waiting > 0
