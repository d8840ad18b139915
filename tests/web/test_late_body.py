"""Bodies that are received when they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from quart import request

from distd.web.late_body import BODY_TIMEOUT_S, LateBodyApp

if TYPE_CHECKING:
    from trio.testing import MockClock


class Sender:
    """A client that sends a body piece by piece; `taken` counts the pieces that the application asked for."""

    def __init__(self, app: LateBodyApp, path: str, *fields: tuple[bytes, bytes], pieces: int = 3) -> None:
        self._app = app
        self._scope: Any = {
            "type": "http",
            "http_version": "1.1",
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": "POST",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"h"), *fields],
            "extensions": {},
        }
        self.taken = 0
        self.pieces = pieces
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        if self.taken == self.pieces:
            await trio.sleep_forever()
        self.taken += 1
        return {"type": "http.request", "body": b"x" * 10, "more_body": True}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def run(self) -> int:
        """The status of the answer."""
        await self._app(self._scope, self.receive, self.send)
        status: int = self.sent[0]["status"]
        return status


@pytest.fixture
def app() -> LateBodyApp:
    app = LateBodyApp("test")

    @app.post("/refused")
    async def refuse() -> Any:
        await trio.testing.wait_all_tasks_blocked()
        return "no", 401

    @app.post("/read")
    async def read() -> Any:
        return str(len(await request.get_data()))

    return app


LENGTH = (b"content-length", b"1000")


@pytest.mark.parametrize("field", [LENGTH, (b"transfer-encoding", b"chunked")])
async def test_a_request_that_is_refused_has_its_body_not_received(app: LateBodyApp, field: Any) -> None:
    sender = Sender(app, "/refused", field)
    assert await sender.run() == 401
    assert sender.taken == 0


async def test_a_body_that_is_wanted_must_come_in_time(autojump_clock: MockClock, app: LateBodyApp) -> None:
    sender = Sender(app, "/read", LENGTH)
    assert await sender.run() == 408
    assert sender.taken == 3
    assert trio.current_time() == BODY_TIMEOUT_S


async def test_without_a_body_its_end_is_received(app: LateBodyApp) -> None:
    client = app.test_client()
    answer = await client.post("/read")
    assert await answer.get_data(as_text=True) == "0"
    answer = await client.post("/read", data=b"y" * 70_000)
    assert await answer.get_data(as_text=True) == "70000"
