"""What the lane asks of a mirror without an origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.lane.backend import LOCAL, Located

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.backend import FileRequest, Post, PostAnswer, RefusedHandOver
    from distd.lane.streams import PlainStream, TlsStream
    from redistrib.control_port import ControlPort
    from redistrib.copier import Copier
    from redistrib.local_packages import LocalPackages
    from redistrib.status import Statistics


class StandaloneBackend:
    """The lane's `Backend`: agents have no tokens here, and what is not here (yet) is at the source.

    `base`: the source's URL, to which agents are sent; empty: there is none.
    """

    def __init__(
        self, local: LocalPackages, copier: Copier, statistics: Statistics, control_port: ControlPort, base: str
    ) -> None:
        self._local = local
        self._copier = copier
        self._statistics = statistics
        self._control_port = control_port
        self._base = base

    def computer_of(self, token: str) -> int | None:
        """No token is known here."""
        return None

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int, address: str) -> None:
        """Count a fragment that was sent, for the status."""
        self._statistics.sent(address, size_bytes)

    def post(self, post: Post, answer: PostAnswer) -> None:
        """Refuse: agents talk to their server."""
        answer(404, b"this is a redistribution server: agents talk to the OCS server\n")

    def refusal(self, path: bytes, address: str) -> RefusedHandOver | None:
        """None: the control port has limits of its own."""
        return None

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        """Let the control port answer."""
        self._control_port.serve(stream)

    def may_be_redirected(self, package_id: str) -> bool:
        """Whether a package has bad files."""
        return self._local.has_bad(package_id)

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        """What is not here, or is bad, is at the source."""
        package_id = wanted.package_id
        if self._local.has_bad(package_id) and package_id in self._local.versions:
            if not self._local.is_bad(package_id, wanted.key.rpartition("/")[2]):
                return LOCAL
        elif package_id not in self._copier.wanted:
            return Located(status=404)
        self._statistics.counts.misses += wanted.number > 0
        if not self._base:
            return Located(status=503, why="it has not come yet")
        self._statistics.counts.redirected += 1
        return Located(location=f"{self._base}/{wanted.key}")
