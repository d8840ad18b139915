"""Requests that the lane does not answer: streams of mirrors, and all that is the web application's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.server import mirror_streams

if TYPE_CHECKING:
    from distd.lane.backend import RefusedHandOver
    from distd.lane.streams import PlainStream, TlsStream
    from distd.server.handover import HandOver
    from distd.server.mirror_streams import MirrorStreams


class OtherRequests:
    """Whoever answers them, as the lane's `Backend` asks for them."""

    def __init__(self, mirrors: MirrorStreams, web: HandOver) -> None:
        self._mirrors = mirrors
        self._web = web

    def refusal(self, path: bytes, address: str) -> RefusedHandOver | None:
        """As `HandOver.refusal`; streams of mirrors have limits of their own."""
        return None if path == mirror_streams.PATH else self._web.refusal(path, address)

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        """Give a connection with a request for `path` to those who answer it."""
        if path == mirror_streams.PATH:
            self._mirrors.serve(stream)
        else:
            self._web.serve(stream, path)
