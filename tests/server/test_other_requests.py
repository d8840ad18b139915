"""Who answers what the lane does not."""

from __future__ import annotations

from typing import Any, cast

from distd.lane.backend import RefusedHandOver
from distd.server import mirror_streams
from distd.server.other_requests import OtherRequests

REFUSED = RefusedHandOver(429, "too many")


class Server:
    """Notes what it serves; the web's refuses everything first."""

    def __init__(self) -> None:
        self.served: list[tuple[Any, ...]] = []

    def serve(self, *request: Any) -> None:
        self.served.append(request)

    def refusal(self, path: bytes, address: str) -> RefusedHandOver:
        return REFUSED


def test_streams_of_mirrors_are_none_of_the_web_applications() -> None:
    mirrors, web = Server(), Server()
    others, stream = OtherRequests(cast("Any", mirrors), cast("Any", web)), cast("Any", object())
    assert others.refusal(mirror_streams.PATH, "10.0.0.9") is None
    assert others.refusal(b"/api/v1/packages", "10.0.0.9") == REFUSED
    others.hand_over(stream, mirror_streams.PATH)
    others.hand_over(stream, b"/api/v1/packages")
    assert mirrors.served == [(stream,)]
    assert web.served == [(stream, b"/api/v1/packages")]
