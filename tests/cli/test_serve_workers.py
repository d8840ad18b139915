"""The server process: workers under a supervisor, reload, sockets that are passed, drain."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from distd.cli.main import run
from distd.domain.errors import BadInput
from distd.domain.records import PrologRequest
from distd.lane.sockets import listen, name_of
from distd.storage import pki
from distd.storage.data_dir import DataDir
from distd.wire import ocs
from tests.programs.processes import DISTD, child, distd_serve, listening
from tests.programs.waiting import await_until

LIMIT_S = 100  # generous: it only ends a test that hangs


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A data directory with one active package of 30 MB in one fragment; gives the directory and the id."""
    folder = tmp_path_factory.mktemp("workers")
    data = folder / "site"
    source = folder / "big.bin"
    source.write_bytes(os.urandom(30_000_000))
    assert run(["init", "--data", str(data), "--host", "localhost"]) == 0
    order = ["--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x", "--fragments", "1"]
    assert run(["package", "build", str(source), "--data", str(data), *order]) == 0
    (package_id,) = (path.name for path in (data / "download").iterdir())
    return data, package_id


def get(path: Any) -> Any:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


async def fetch(address: Any, path: Any = "/healthz", request: bytes = b"") -> Any:
    """The whole answer, head and body, to a GET of `path` or to `request`."""
    host, port = address.rsplit(":", 1)
    with trio.fail_after(LIMIT_S):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(request or get(path))
            return b"".join([piece async for piece in stream])


def workers_of(pid: Any) -> Any:
    """The children of all its threads: which one has started them does not matter."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sorted(int(child_id) for task in tasks for child_id in (task / "children").read_text().split())


async def is_refused(host: str, port: int) -> bool:
    """Whether nobody listens there any more."""
    try:
        stream = await trio.open_tcp_stream(host, port)
    except OSError:
        return True
    await trio.aclose_forcefully(stream)
    return False


async def start(data: Any, folder: Any, *options: Any, **kwargs: Any) -> Any:
    command = [DISTD, "serve", "--data", str(data), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--json"]
    return child([*command, *options], folder / "serve.log", stdout=subprocess.PIPE, **kwargs)


async def ready(process: Any) -> Any:
    with trio.fail_after(LIMIT_S):
        return listening((await process.stdout.receive_some(65536)).decode())


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_module_in_the_current_folder_is_not_run(site: Any, tmp_path: Path, workers: int) -> None:
    data, _ = site
    for name in ("trio", "signal", "distd"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    command = [sys.executable, DISTD, "serve", "--data", str(data), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]
    command += ["--json", "--workers", str(workers)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    async with child(command, tmp_path / "log", stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        http, _ = await ready(process)
        assert b" 200 " in await fetch(http)
    assert not (tmp_path / "ran").exists()


async def test_a_worker_that_dies_is_replaced_and_nobody_is_refused(site: Any, tmp_path: Path) -> None:
    data, _ = site
    # It ends when its workers have ended: an hour is for those that are sending something.
    async with await start(data, tmp_path, "--workers", "2", "--set", "limits.drain_s=3600") as process:
        http, _ = await ready(process)
        before = workers_of(process.pid)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        for _ in range(20):
            assert b" 200 " in await fetch(http)
        await await_until(lambda: len(workers_of(process.pid)) == 2, "the worker is replaced")
        assert before[0] not in workers_of(process.pid)
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(LIMIT_S):
            assert await process.wait() == 0
    assert "worker 1 ended with status -9" in (tmp_path / "serve.log").read_text()


async def test_each_event_is_logged_once_and_by_the_supervisor(site: Any, tmp_path: Path) -> None:
    data, _ = site
    log = tmp_path / "serve.log"
    options = ("--workers", "2", "--log-format", "json", "--log-level", "debug")
    async with await start(data, tmp_path, *options) as process:
        http, _ = await ready(process)
        body = ocs.write_request(PrologRequest("pc-of-the-log"))
        head = f"POST /ocsinventory HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        assert b" 200 " in await fetch(http, request=head.encode() + body)
        await await_until(lambda: "COMPUTER_SEEN" in log.read_text(), "the event is logged")
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    (seen,) = (row for row in rows if row["message"] == "COMPUTER_SEEN")
    assert (seen["computer"], seen["level"], seen["process"]) == ("pc-of-the-log", "info", process.pid)
    (contact,) = (row for row in rows if row["message"] == "PROLOG")
    assert (contact["computer"], contact["level"]) == ("pc-of-the-log", "debug")
    assert contact["process"] != process.pid


async def test_workers_end_with_their_supervisor(site: Any, tmp_path: Path) -> None:
    data, _ = site
    async with await start(data, tmp_path, "--workers", "2") as process:
        await ready(process)
        workers = workers_of(process.pid)
        process.kill()
        await process.wait()
        await await_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "all workers have ended")


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_being_sent_is_finished_before_the_end(site: Any, tmp_path: Path, workers: Any) -> None:
    data, package_id = site
    async with await start(data, tmp_path, "--workers", str(workers)) as process:
        http, _ = await ready(process)
        host, port = http.rsplit(":", 1)
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(get(f"/download/{package_id}/{package_id}-1"))
        got = len(await stream.receive_some(1000))
        process.send_signal(signal.SIGTERM)
        await await_until(partial(is_refused, host, int(port)), "new connections are refused")
        async with stream:
            async for piece in stream:
                got += len(piece)
        assert got > 30_000_000
        with trio.fail_after(LIMIT_S):
            assert await process.wait() == 0


async def test_the_drain_has_a_limit(site: Any, tmp_path: Path) -> None:
    data, package_id = site
    async with await start(data, tmp_path, "--set", "limits.drain_s=1") as process:
        http, _ = await ready(process)
        host, port = http.rsplit(":", 1)
        stuck = await trio.open_tcp_stream(host, int(port))
        await stuck.send_all(get(f"/download/{package_id}/{package_id}-1"))
        assert await stuck.receive_some(1)  # it is being sent
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(LIMIT_S):
            assert await process.wait() == 0
        await trio.aclose_forcefully(stuck)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reload_takes_up_settings_and_certificate_and_drops_nobody(
    site: Any, tmp_path: Path, workers: Any
) -> None:
    data, package_id = site
    async with await start(data, tmp_path, "--workers", str(workers)) as process:
        http, https = await ready(process)
        host, port = https.rsplit(":", 1)
        context = ssl.create_default_context(cafile=data / "cacert.pem")

        async def connect() -> Any:
            stream = await trio.open_ssl_over_tcp_stream(host, int(port), ssl_context=context, https_compatible=True)
            await stream.do_handshake()
            return stream, stream.getpeercert()["serialNumber"]

        old, before = await connect()
        folder = DataDir(data).keys
        ca_key = load_pem_private_key((folder / pki.CA_KEY).read_bytes(), None)
        assert isinstance(ca_key, EllipticCurvePrivateKey)
        pki.make_server_certificate(folder, pki.load_ca(data / "cacert.pem"), ca_key, ["localhost"])
        process.send_signal(signal.SIGHUP)
        log = tmp_path / "serve.log"
        await await_until(lambda: log.read_text().count("reloaded settings") == workers, "all workers have reloaded")
        new, after = await connect()
        assert before != after
        await old.send_all(get(f"/download/{package_id}/info"))
        assert b" 200 " in await old.receive_some(1000)
        settings = data / "distd.toml"
        good = settings.read_text()
        settings.write_text("[server\n")
        try:
            process.send_signal(signal.SIGHUP)
            await await_until(
                lambda: log.read_text().count("nothing is changed") == workers, "all workers have refused"
            )
            assert b" 200 " in await fetch(http)
        finally:
            settings.write_text(good)
        for stream in (old, new):
            await trio.aclose_forcefully(stream)


# What systemd does: descriptors from 3 on, and the process's own number, which only it itself can know.
SYSTEMD = """
import os, sys
http, https = int(sys.argv[1]), int(sys.argv[2])
spare = [os.dup(http), os.dup(https)]
for number, fd in enumerate(spare, 3):
    os.dup2(fd, number)
    os.set_inheritable(number, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
os.environ |= dict(part.split("=") for part in sys.argv[3].split())
os.execv(sys.executable, [sys.executable, "-m", "distd.cli", "serve", *sys.argv[4:]])
"""


@pytest.mark.parametrize(
    ("names", "swapped"), [("LISTEN_FDNAMES=http:https", False), ("LISTEN_FDNAMES=https:http", True), ("", False)]
)
async def test_sockets_that_systemd_passes(site: Any, tmp_path: Path, names: Any, swapped: Any) -> None:
    data, _ = site
    plain, secure = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    with plain, secure:
        order = (secure, plain) if swapped else (plain, secure)
        numbers = [sock.fileno() for sock in order]
        command = [sys.executable, "-c", SYSTEMD, *map(str, numbers), names, "--data", str(data), "--json"]
        async with child(command, tmp_path / "serve.log", stdout=subprocess.PIPE, pass_fds=numbers) as process:
            http, https = await ready(process)
            assert (http, https) == (name_of(plain), name_of(secure))
            assert b" 200 " in await fetch(http)


def test_sockets_share_a_port_only_when_asked() -> None:
    several = listen("127.0.0.1:0", "127.0.0.1:0", 3)
    try:
        assert len({name_of(listeners.http) for listeners in several}) == 1
        assert len({listeners.http.fileno() for listeners in several}) == 3
        with pytest.raises(BadInput, match="a free port"):
            listen(name_of(several[0].http), "127.0.0.1:0", 1)
    finally:
        for listeners in several:
            listeners.close()


async def test_bad_input_of_a_worker_ends_everything(site: Any, tmp_path: Path) -> None:
    data, _ = site
    (data / "keys" / "token.key").rename(tmp_path / "token.key")
    try:
        async with await start(data, tmp_path, "--workers", "2") as process:
            with trio.fail_after(LIMIT_S):
                assert await process.wait() != 0
    finally:
        (tmp_path / "token.key").rename(data / "keys" / "token.key")


async def test_json_says_where_it_listens(site: Any) -> None:
    data, _ = site
    async with distd_serve(data) as serving:
        assert json.loads(json.dumps({"http": serving.http}))["http"].startswith("127.0.0.1:")
        assert b" 200 " in await fetch(serving.http, "/readyz")
