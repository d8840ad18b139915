"""The servers of `make bench-transfer`, all on the `download` folder of one data directory: distd, nginx in three
configurations, Apache."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import sqlite3
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from distd.domain.records import PrologRequest
from distd.wire import ocs, tokens
from tests.programs.apache import apache
from tests.programs.nginx import executable
from tests.programs.processes import (
    DISTD,
    child,
    free_port,
    run,
    serve_command,
    started_server,
    wait_until_listening,
)
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

NGINX = {
    "nginx sendfile": "sendfile on; tcp_nopush off;",
    "nginx tcp_nopush": "sendfile on; tcp_nopush on;",
    "nginx read": "sendfile off;",
}
NAMES = ("distd", *NGINX, "Apache")
CONFIGURATION = """\
daemon off; worker_processes {workers}; {user} pid {folder}/pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off; {transfer} keepalive_requests 1000000000; client_body_temp_path {folder}/b;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};
  server {{
    listen 127.0.0.1:{http} backlog=4096 {reuseport};
    listen 127.0.0.1:{https} ssl backlog=4096 {reuseport};
    location /download/ {{ alias {root}/; }}
  }}
}}
"""
LOCAL = "127.0.0.1:0"
FIRST_COMPUTER = 1  # the number that a catalogue gives to the first computer that makes a contact


@dataclass(frozen=True, slots=True)
class BenchData:
    """A data directory, and by the label of each size the path of a fragment under /download and its bytes."""

    data: Path
    paths: Mapping[str, str]
    sizes: Mapping[str, int]

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The server's: files of chain and key."""
        return self.data / "keys" / "server.pem", self.data / "keys" / "server.key"


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load. `http`, `https`: "host:port"; `pid`: the first of its processes."""

    name: str
    http: str
    https: str
    prefix: str
    pid: int

    def url(self, path: str, *, tls: bool) -> str:
        """The URL of a fragment; `path` as `BenchData` has it."""
        return f"https://{self.https}{self.prefix}{path}" if tls else f"http://{self.http}{self.prefix}{path}"


async def make_data(folder: Path, sizes: Mapping[str, int]) -> BenchData:
    """A new data directory with a package for each size (label → bytes), whose first fragment has that size."""
    data = folder / "site"
    await run([DISTD, "init", "--data", str(data), "--host", "localhost"])
    paths = {}
    for label, size_bytes in sizes.items():
        source = folder / f"{label}.bin"
        source.write_bytes(os.urandom(size_bytes * 3 // 2))
        options = ["--name", label, "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x"]
        command = [DISTD, "package", "build", str(source), "--data", str(data), *options]
        package_id = json.loads(await run([*command, "--fragment-size", str(size_bytes), "--json"]))["id"]
        paths[label] = f"/{package_id}/{package_id}-1"
    return BenchData(data, paths, sizes)


@contextlib.asynccontextmanager
async def open_servers(data: BenchData, folder: Path, workers: int) -> AsyncIterator[list[Server]]:
    """Run all of them, with so many processes each, in the order of `NAMES`; `folder` is made for their files."""
    folder.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_distd(data, folder, workers))]
        for number, name in enumerate(NGINX):
            servers.append(await stack.enter_async_context(_nginx(name, data, folder / f"nginx{number}", workers)))
        opened = apache(folder / "apache", data.data / "download", data.certificate, workers)
        plain, secure, pid = await stack.enter_async_context(opened)
        yield [*servers, Server("Apache", plain, secure, "/download", pid)]


@contextlib.asynccontextmanager
async def _distd(data: BenchData, folder: Path, workers: int) -> AsyncIterator[Server]:
    command = [*serve_command(data.data, {}, LOCAL, LOCAL), "--workers", str(workers)]
    async with started_server(command, folder / "distd.log") as server:
        token = await _token(server.http, data.data)
        yield Server("distd", server.http, server.https, f"/download/~{token}", server.process.pid)


@contextlib.asynccontextmanager
async def _nginx(name: str, data: BenchData, folder: Path, workers: int) -> AsyncIterator[Server]:
    program = executable()
    if program is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    folder.mkdir()
    ports = free_port(), free_port()
    (folder / "nginx.conf").write_text(nginx_configuration(name, data, folder, ports, workers))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    async with child(command, folder / "log") as process:
        for port in ports:
            await wait_until_listening("127.0.0.1", port)
        yield Server(name, f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", "/download", process.pid)


def nginx_configuration(name: str, data: BenchData, folder: Path, ports: tuple[int, int], workers: int) -> str:
    """nginx.conf of one of `NGINX`, HTTP and HTTPS on `ports`."""
    return CONFIGURATION.format(
        workers=workers,
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        transfer=NGINX[name],
        certificate=data.certificate[0],
        key=data.certificate[1],
        http=ports[0],
        https=ports[1],
        reuseport="reuseport" if workers > 1 else "",
        root=data.data / "download",
    )


async def _token(address: str, data: Path) -> str:
    """The token of a computer that the server knows, by which it records whose fragments it sends."""
    body = ocs.write_request(PrologRequest("bench"))
    await trio.to_thread.run_sync(_post, address, body)
    return tokens.make_endless((data / "keys" / "token.key").read_bytes(), FIRST_COMPUTER)


def _post(address: str, body: bytes) -> None:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request("POST", "/ocsinventory", body)
        status = connection.getresponse().status
    if status != 200:
        raise SystemExit(f"distd answered a PROLOG with {status}")


async def check(servers: Sequence[Server], data: BenchData) -> str:
    """Check that all servers send the same bytes, by HTTP and by TLS, and that distd records what it sends.

    Returns the TLS version and cipher, which must be the same for all. Raises `SystemExit` or `AssertionError`.
    """
    before = recorded_bytes(data)
    cipher = await trio.to_thread.run_sync(_same_bytes, servers, data)
    sent = 2 * sum(data.sizes.values())
    await await_until(
        lambda: recorded_bytes(data) >= before + sent, f"distd has recorded the {sent} bytes that it sent"
    )
    return cipher


def _same_bytes(servers: Sequence[Server], data: BenchData) -> str:
    agreed = set()
    for size, path in data.paths.items():
        expected = hashlib.sha256((data.data / f"download{path}").read_bytes()).hexdigest()
        for server in servers:
            for tls in (False, True):
                digest, cipher = _fetch(server, path, tls=tls)
                if digest != expected:
                    raise SystemExit(f"{server.name}: {server.url(path, tls=tls)} is not the fragment of {size}")
                agreed.add(cipher)
    ciphers = sorted(agreed - {""})
    if len(ciphers) != 1:
        raise SystemExit(f"TLS cannot be compared: {', '.join(ciphers)}")
    return ciphers[0]


def _fetch(server: Server, path: str, *, tls: bool) -> tuple[str, str]:
    """SHA-256 of the body; TLS version and cipher."""
    plain = http.client.HTTPConnection(server.http, timeout=30)
    # wrk does not check certificates either; all is on this machine.
    connection = http.client.HTTPSConnection(server.https, timeout=30, context=_unchecked()) if tls else plain
    with contextlib.closing(connection):
        connection.request("GET", server.prefix + path)
        cipher = connection.sock.cipher() if isinstance(connection.sock, ssl.SSLSocket) else None
        body = connection.getresponse().read()
    return hashlib.sha256(body).hexdigest(), f"{cipher[1]} {cipher[0]}" if cipher else ""


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def recorded_bytes(data: BenchData) -> int:
    """Bytes that distd has recorded so far as sent to a computer, in whole fragments."""
    with contextlib.closing(sqlite3.connect(f"file:{data.data / 'catalogue.db'}?mode=ro", uri=True)) as catalogue:
        return int(catalogue.execute("SELECT coalesce(sum(sent_bytes), 0) FROM progress").fetchone()[0])
