"""`distd serve` as its users meet it: bad POSTs, the API, two servers on one directory, a restart."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import zlib
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.cli.main import run
from distd.domain.records import DownloadRequest, InventoryRequest, PrologRequest
from distd.wire import ocs
from tests.programs.processes import DISTD, child, distd_serve, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENTITY_BOMB = b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "%s"><!ENTITY b "%s">]><REQUEST>&b;</REQUEST>' % (
    b"x" * 1000,
    b"&a;" * 1000,
)
DEEP = b"<REQUEST>" + b"<A>" * 10_000


def bomb(size_mib: int) -> bytes:
    """What inflates to that many MiB of well-formed XML: one deflated MiB, repeated."""
    filler = b" " * 1_048_576
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    start = deflater.compress(b"<REQUEST>") + deflater.flush(zlib.Z_FULL_FLUSH)
    middle = deflater.compress(filler) + deflater.flush(zlib.Z_FULL_FLUSH)
    end = deflater.compress(b"</REQUEST>") + deflater.flush()
    checksum = zlib.adler32(b"<REQUEST>")
    for _ in range(size_mib):
        checksum = zlib.adler32(filler, checksum)
    checksum = zlib.adler32(b"</REQUEST>", checksum)
    return b"\x78\xda" + start + middle * size_mib + end + checksum.to_bytes(4, "big")


BOMB = bomb(256)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A data directory and the admin's password."""
    data = tmp_path_factory.mktemp("serving") / "site"
    command = [DISTD, "init", "--data", str(data), "--host", "localhost", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return data, json.loads(done.stdout)["password"]


@pytest.fixture
async def server(made: Any) -> AsyncIterator[Any]:
    """Its HTTP "host:port", its process id, its log as text."""
    data, _ = made
    async with serve(data) as running:
        yield running


@asynccontextmanager
async def serve(data: Path, **settings: int) -> AsyncIterator[Server]:
    """A server with a log of its own. Settings are given as `limits` by their names."""
    log = data.with_name("site.serve.log")
    log.unlink(missing_ok=True)
    limits = {f"limits.{name}": value for name, value in settings.items()}
    async with distd_serve(data, {"limits.body_bytes": 2_000_000} | limits) as site:
        yield Server(site.http, site.process.pid, log)


class Server:
    def __init__(self, address: Any, pid: Any, log: Any) -> None:
        host, port = address.rsplit(":", 1)
        self.address = host, int(port)
        self.pid = pid
        self._log = log

    def log_lines(self) -> Any:
        return [line for line in self._log.read_text().splitlines() if " WARNING " in line or " ERROR " in line]

    def resident_bytes(self) -> Any:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def send(self, raw: Any) -> Any:
        """Status and body of the answer to raw bytes, read to the end or the answer's length."""
        with trio.fail_after(100):
            async with await trio.open_tcp_stream(*self.address) as stream:
                await stream.send_all(raw)
                got = b""
                while b"\r\n\r\n" not in got:
                    piece = await stream.receive_some(65536)
                    assert piece, got
                    got += piece
                head, _, body = got.partition(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                length = 0 if raw.startswith(b"HEAD") else int(fields.get(b"content-length", 0))
                while len(body) < length:
                    body += await stream.receive_some(65536)
        return int(head.split()[1]), body, fields

    async def post(self, body: Any, length: Any = None) -> Any:
        size = len(body) if length is None else length
        return await self.send(b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size + body)

    async def get(self, path: Any, login: Any = None, method: Any = "GET") -> Any:
        given = "" if login is None else f"Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
        return await self.send(f"{method} {path} HTTP/1.1\r\nHost: h\r\n{given}\r\n".encode())


BAD_POSTS = {
    "no zlib": (b"nonsense", 400),
    "half a zlib stream": (zlib.compress(b"<REQUEST/>" * 100)[:20], 400),
    "bytes behind the zlib stream": (zlib.compress(b"<REQUEST/>") + b"x", 400),
    "no XML": (zlib.compress(b"nonsense"), 400),
    "half an XML document": (zlib.compress(b"<REQUEST><QUERY>PROLOG"), 400),
    "an unknown QUERY": (zlib.compress(b"<REQUEST><DEVICEID>a</DEVICEID><QUERY>EAT</QUERY></REQUEST>"), 400),
    "no DEVICEID": (zlib.compress(b"<REQUEST><QUERY>PROLOG</QUERY></REQUEST>"), 400),
    "a zlib bomb": (BOMB, 413),
    "an entity bomb": (zlib.compress(ENTITY_BOMB), 400),
    "a plain entity bomb": (ENTITY_BOMB, 400),
    "depth without end": (zlib.compress(DEEP), 413),
    "an unknown encoding": (zlib.compress(b'<?xml version="1.0" encoding="klingon"?><REQUEST/>'), 400),
    "nothing": (b"", 400),
}


@pytest.mark.parametrize(("body", "status"), BAD_POSTS.values(), ids=BAD_POSTS)
async def test_a_bad_post_is_one_answer_and_one_line(server: Any, body: Any, status: Any) -> None:
    got, text, _ = await server.post(body)
    assert got == status
    assert text.count(b"\n") == 1
    assert len(server.log_lines()) == 1
    assert "Traceback" not in server._log.read_text()
    assert (await server.get("/healthz"))[0] == 200


async def test_bombs_leave_no_trace_in_the_memory(server: Any) -> None:
    for body in (BOMB, zlib.compress(ENTITY_BOMB), zlib.compress(DEEP)):
        await server.post(body)  # what is loaded at the first time
    before = server.resident_bytes()
    for _ in range(10):
        for body in (BOMB, zlib.compress(ENTITY_BOMB), zlib.compress(DEEP)):
            await server.post(body)
    assert server.resident_bytes() - before < 32_000_000  # one bomb would be more


async def test_a_wrong_content_length(made: Any) -> None:
    data, _ = made
    async with serve(data, head_timeout_s=3) as server:
        await _send_wrong_lengths(server)


async def _send_wrong_lengths(server: Server) -> None:
    body = ocs.write_request(PrologRequest("pc"))
    status, _, fields = await server.post(body, length=len(body) + 10)
    assert (status, fields[b"connection"]) == (408, b"close")
    assert (await server.post(body, length=len(body) - 10))[0] == 400
    assert (await server.post(b"", length=10**12))[0] == 413
    assert len(server.log_lines()) == 3
    before = server.resident_bytes()
    assert (await server.post(b"", length=1_999_999))[0] == 408
    assert server.resident_bytes() - before < 10_000_000
    chunked = b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert (await server.send(chunked))[0] == 411


async def test_an_agents_life_over_the_wire(server: Any, made: Any) -> None:
    data, _ = made
    source = data.with_name("small.txt")
    source.write_text("small")
    order = ["--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x"]
    assert run(["package", "build", str(source), "--data", str(data), *order]) == 0
    (package_id,) = (path.name for path in (data / "download").iterdir())
    assert run(["package", "activate", package_id, "--data", str(data)]) == 0

    async def say(request: Any) -> Any:
        status, body, fields = await server.post(ocs.write_request(request))
        assert status == 200
        return body, fields

    await say(PrologRequest("pc"))
    body, fields = await say(InventoryRequest("pc", {"NAME": "PC"}, {"TAG": "lab"}, (), frozenset()))
    assert fields[b"content-type"] == b"application/x-compressed"
    assert ocs.read_inventory_reply(body) == {"TAG": "lab"}
    assert run(["assign", package_id, "--computer", "pc", "--data", str(data)]) == 0
    (pack,) = ocs.read_prolog_reply((await say(PrologRequest("pc")))[0]).packs
    path = pack.pack_loc.partition("/")[2]
    status, fragment, _ = await server.get(f"/{path}/{package_id}/{package_id}-1")
    assert (status, fragment) == (200, (data / "download" / package_id / f"{package_id}-1").read_bytes())
    assert (await say(DownloadRequest("pc", package_id, "ERR_BAD_DIGEST")))[0] == b""
    # Trap 8: the agent sends it again with another code; the first one stands.
    assert (await say(DownloadRequest("pc", package_id, "SUCCESS_")))[0] == b""
    assert (await say(DownloadRequest("stranger", "1", "SUCCESS")))[0] == b""
    assert ocs.read_prolog_reply((await say(PrologRequest("pc")))[0]).packs == ()


# --- the API -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_needs_no_login(server: Any, path: Any) -> None:
    assert (await server.get(path))[:2] == (200, b"ok\n")
    assert (await server.get(path, method="HEAD"))[0] == 200
    assert (await server.get(path, method="DELETE"))[0] == 405


TYPES = {200: b"application/json", 404: b"application/problem+json"}


async def test_the_api_needs_the_admin(server: Any, made: Any) -> None:
    _, secret = made
    for login in (None, "admin:wrong", "nobody:" + secret, ":", "admin"):
        status, body, fields = await server.get("/api/v1/packages", login)
        assert status == 401
        assert fields[b"www-authenticate"].startswith(b"basic")
        assert json.loads(body)["title"] == "Unauthorized"
    for _ in range(2):  # the second time from memory
        assert (await server.get("/api/v1/packages", f"admin:{secret}"))[0] == 200


async def test_the_api_tells_what_the_commands_tell(server: Any, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    data, secret = made
    await server.post(ocs.write_request(PrologRequest("pc")))

    async def ask(path: Any, status: Any = 200) -> Any:
        got, body, fields = await server.get(f"/api/v1/{path}", f"admin:{secret}")
        assert (got, fields[b"content-type"]) == (status, TYPES[status]), body
        return json.loads(body)

    def command(*words: Any) -> Any:
        capsys.readouterr()
        assert run([*words, "--data", str(data), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert await ask("packages") == command("package", "list")
    assert await ask("computers") == command("computer", "list")
    shown = command("computer", "show", "pc")
    parameters = {name: value for name, value in shown.pop("parameters").items() if value["origin"] == "settings"}
    assert (await ask("computers/pc"), parameters) == (shown, await ask("computers/pc/parameters"))
    for package in command("package", "list")["items"]:
        found, shown = await ask(f"packages/{package['id']}"), command("package", "show", package["id"])
        assert {name: found[name] for name in package} == package
        assert shown.pop("size") == found["size_bytes"]
        assert {name: found[name] for name in shown} == shown
        assert await ask(f"packages/{package['id']}/results") == command("results", package["id"])
    assert "no such" in (await ask("computers/no%20such", 404))["detail"]
    assert "99" in (await ask("packages/99", 404))["detail"]
    assert "openapi" in (await ask("nothing", 404))["detail"]


async def test_the_api_describes_itself(server: Any) -> None:
    status, body, _ = await server.get("/api/v1/openapi.json")
    described = json.loads(body)
    assert status == 200
    assert described["openapi"].startswith("3.")
    assert set(described["paths"]) >= {
        "/api/v1/packages",
        "/api/v1/packages/{package_id}",
        "/api/v1/packages/{package_id}/plan",
        "/api/v1/packages/{package_id}/results",
        "/api/v1/computers",
        "/api/v1/computers/{device_id}",
        "/api/v1/computers/{device_id}/mirrors/{package_id}",
        "/api/v1/mirrors",
        "/api/v1/mirrors/{name}",
        "/api/v1/activations/planned",
        "/api/v1/audit",
        "/api/v1/events",
    }


# --- the data directory ------------------------------------------------------------------------------------------


async def test_two_servers_and_the_commands_write_at_once(made: Any, tmp_path: Path) -> None:
    data, _ = made
    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(_contacts, data, tmp_path / f"{number}.log", number)
        for _ in range(5):
            order = ["--name", "x", "--os", "LINUX", "--action", "EXECUTE", "--command", "true"]
            command = ["package", "build", "--data", str(data), *order]
            assert await trio.to_thread.run_sync(run, command) == 0
    for number in range(2):
        assert "locked" not in (tmp_path / f"{number}.log").read_text()


async def _contacts(data: Any, log: Any, number: Any) -> None:
    command = [DISTD, "serve", "--data", str(data), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--json"]
    async with child(command, log, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        http, _ = listening((await process.stdout.receive_some(65536)).decode())
        server = Server(http, process.pid, log)
        for contact in range(50):
            body = ocs.write_request(PrologRequest(f"pc{number}-{contact}"))
            assert (await server.post(body))[0] == 200
