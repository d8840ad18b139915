"""A server that is attacked: floods, and requests that made it fail. Operators get in all the same."""

from __future__ import annotations

import base64
import json
import subprocess
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from tests.programs.processes import DISTD, distd_serve
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMITS = {"limits.web_connections": 100, "limits.web_connections_per_address": 50}
FLOOD = 110
LIMIT_S = 60.0  # of a log-in, on a slow machine; the figure is printed by a command, not decided here


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data directory, and the field Authorization of its operator."""
    data = tmp_path_factory.mktemp("attacked") / "site"
    command = [DISTD, "init", "--data", str(data), "--host", "localhost", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return data, basic("admin", json.loads(done.stdout)["password"])


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Attacked:
    """A server, and connections to it from any address of this machine."""

    def __init__(self, address: str, authorization: str, log: Path) -> None:
        self._port = int(address.rpartition(":")[2])
        self._authorization = authorization
        self._log = log

    async def connect(self, raw: bytes, address: str = "127.0.0.1") -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", self._port, local_address=address)
        await stream.send_all(raw)
        return stream

    async def status(self, raw: bytes, address: str = "127.0.0.1") -> int:
        """Of the answer; 0: there is none."""
        with trio.fail_after(LIMIT_S):
            async with await self.connect(raw, address) as stream:
                data = b""
                while b"\r\n" not in data and (piece := await stream.receive_some(65536)):
                    data += piece
        return int(data.split()[1]) if data else 0

    async def log_in(self, address: str = "127.0.0.1") -> int:
        fields = f"Authorization: {self._authorization}\r\n"
        return await self.status(get("/api/v1/packages", fields), address)

    def log_lines(self) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if " INFO " not in line]


def get(path: str, fields: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode("latin-1")


@pytest.fixture
async def server(made: tuple[Path, str]) -> AsyncIterator[Attacked]:
    data, authorization = made
    log = data.with_name("site.serve.log")
    log.unlink(missing_ok=True)
    async with distd_serve(data, LIMITS) as running:
        yield Attacked(running.http, authorization, log)


SILENT = b"POST /api/v1/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"
H2C = get("/healthz", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n")


async def served(server: Attacked) -> bool:
    status = await server.log_in()
    assert status in (200, 429)
    return status == 200


@pytest.mark.parametrize("flooding", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize(
    "raw", [b"", SILENT % b"mirror/join", SILENT % b"packages", H2C], ids=["nothing", "join", "api", "h2c"]
)
async def test_a_flood_of_connections_locks_no_operator_out(server: Attacked, raw: bytes, flooding: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(FLOOD):
            await stack.enter_async_context(await server.connect(raw, flooding))
        if flooding == "127.0.0.1":  # the operator's own address: its share may be taken for a moment
            await await_until(lambda: served(server), "the operator gets in")
        else:
            assert await server.log_in() == 200
        assert await server.status(get("/healthz")) == 200


@pytest.mark.parametrize("flooding", ["127.0.0.1", "127.0.0.2"])
async def test_a_flood_of_wrong_passwords_locks_no_operator_out(server: Attacked, flooding: str) -> None:
    wrong = get("/api/v1/packages", f"Authorization: {basic('admin', 'wrong')}\r\n")
    async with AsyncExitStack() as stack:
        for _ in range(40):
            await stack.enter_async_context(await server.connect(wrong, flooding))
        # In which order passwords are checked, `tests.web.api.test_auth` decides in virtual time.
        await await_until(lambda: served(server), "the operator gets in")


WEBSOCKET = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n" % (
    "A" * 22 + "=="
)
CHUNKED = b"POST /api/v1/mirror/join HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n%s\r\n0\r\n\r\n"
BAD_REQUESTS = {
    "a target that is no path": (b"GET ?a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a target without a path": (b"GET http://h?a HTTP/1.1\r\nHost: h\r\n\r\n", 303),
    "a Host with an empty label": (b"GET /healthz HTTP/1.1\r\nHost: x..\r\n\r\n", 400),
    "a Host with a long label": (b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % (b"x" * 64), 400),
    "a websocket to what there is not": (get("/nothing", WEBSOCKET), 404),
    "a websocket to what there is": (get("/healthz", WEBSOCKET), 200),
    "h2c": (H2C, 200),
    "Basic that is not ASCII": (get("/api/v1/packages", "Authorization: Basic \xe9\xff\r\n"), 401),
    "Basic that is not UTF-8": (get("/api/v1/packages", "Authorization: Basic /w==\r\n"), 401),
    "Basic with a NUL": (get("/api/v1/uploads", "Authorization: Basic AAA6AAA=\r\n"), 401),
    "a scheme that is not ASCII": (get("/api/v1/packages", "Authorization: B\xe9sic x\r\n"), 401),
    "a key that is not ASCII": (get("/api/v1/mirror/events", "Authorization: Bearer \xe9\r\n"), 401),
    "a path that is not UTF-8": (get("/%ff%fe"), 404),
    "a join that is chunked": (CHUNKED % (b"1", b"x"), 400),
    "a large join that is chunked": (CHUNKED % (b"11170", b"x" * 70_000), 413),
    "a large join": (SILENT.replace(b"1000", b"70000") % b"mirror/join", 413),
}


async def test_what_made_it_fail_is_a_fault_of_the_client(server: Attacked) -> None:
    found = {name: await server.status(raw) for name, (raw, _) in BAD_REQUESTS.items()}
    assert found == {name: status for name, (_, status) in BAD_REQUESTS.items()}
    lines = server.log_lines()
    assert [line for line in lines if " WARNING " not in line] == []
    assert len(lines) <= len(BAD_REQUESTS)


async def test_a_flood_of_bad_requests_does_not_fill_the_log(server: Attacked) -> None:
    for _ in range(60):
        assert await server.status(b"GET ?a HTTP/1.1\r\nHost: h\r\n\r\n") == 400
    assert len(server.log_lines()) < 60
