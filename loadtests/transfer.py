"""`make bench-transfer`: fragments per second of `distd serve` beside nginx: same folder, same machine, paired rounds.

In each cell (a size, a number of connections) all servers are measured in turn, round after round, so that a machine
whose speed drifts slows them alike. A ratio is the median of the rounds' ratios to the nginx configuration that is the
best of that cell. Still to come: Apache, TLS, several workers, memory, a page with plots.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio
from rich.console import Console
from rich.table import Table

from distd.core import ocs, tokens
from distd.core.records import PrologRequest
from loadtests.nginx import executable
from loadtests.processes import DISTD, child, distd_serve, free_port, run, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZES = {"4KiB": 4096, "64KiB": 65_536, "1MiB": 1_048_576, "16MiB": 16_777_216}
BY_BYTES = 1_048_576  # from this size on servers are compared by bytes
CONNECTIONS = (1, 32, 256)
NGINX = {
    "nginx sendfile": "sendfile on; tcp_nopush off;",
    "nginx tcp_nopush": "sendfile on; tcp_nopush on;",
    "nginx read": "sendfile off;",
}
CONFIGURATION = """\
daemon off; worker_processes 1; {user} pid {folder}/pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{ access_log off; {transfer} keepalive_requests 1000000000; client_body_temp_path {folder}/b;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port} backlog=4096; location /download/ {{ alias {root}/; }} }} }}
"""


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    address: str
    prefix: str
    pid: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice of load gave: requests and bytes a second, the 99th percentile in ms, CPU µs of the server a
    request. `speed` is what servers are compared by: bytes where a slice holds too few requests to count them."""

    speed: float
    requests_per_s: float
    p99_ms: float
    cpu_us: float


async def measure(server: Server, path: str, size: str, connections: int, duration_s: float) -> Slice:
    """Load one server. Raises when any answer was an error: errors are quick, and no speed."""
    url = f"http://{server.address}{server.prefix}{path}"
    load = ["wrk", "--latency", "-t1", f"-c{connections}"]
    before_s = cpu_s(server.pid)
    said = await run([*load, f"-d{duration_s:g}s", url], timeout_s=duration_s + 30)
    spent_s = cpu_s(server.pid) - before_s
    # A time-out of wrk's is an answer that took over 2 s: slow, which the figures say, but no error.
    if "Non-2xx" in said or re.search(r"(connect|read|write) [1-9]", said):
        raise SystemExit(f"{server.name}: {url}\n{said}")
    requests = int(found(r"(\d+) requests in", said))
    requests_per_s = float(found(r"Requests/sec:\s+([\d.]+)", said))
    return Slice(
        requests_per_s if SIZES[size] < BY_BYTES else megabytes(found(r"Transfer/sec:\s+(\S+)", said)),
        requests_per_s,
        milliseconds(found(r"\n\s+99%\s+(\S+)", said)),
        spent_s * 1e6 / max(requests, 1),
    )


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"wrk did not say {pattern}:\n{text}")
    return match[1]


def megabytes(text: str) -> float:
    """wrk's "2.08KB", "980.12MB", "1.05GB"."""
    number, unit = re.fullmatch(r"([\d.]+)(B|KB|MB|GB)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"B": 1e-6, "KB": 1e-3, "MB": 1, "GB": 1e3}[unit]


def milliseconds(text: str) -> float:
    """wrk's "81.00us", "1.37ms", "2.00s"."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def cpu_s(pid: int) -> float:
    """User and system time of a process and its children, seconds."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    ticks = 0
    for one in (str(pid), *children):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def nginx(name: str, transfer: str, root: Path, folder: Path) -> AsyncIterator[Server]:
    program = executable()
    if program is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    folder.mkdir()
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    text = CONFIGURATION.format(user=user, folder=folder, transfer=transfer, port=port, root=root)
    (folder / "nginx.conf").write_text(text)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    async with child(command, folder / "log") as process:
        await wait_until_listening("127.0.0.1", port)
        yield Server(name, f"127.0.0.1:{port}", "/download", process.pid)


async def make_site(folder: Path) -> tuple[Path, dict[str, str]]:
    """A data directory with a package for each size, whose first fragment has just that size; the paths to them."""
    data = folder / "site"
    await run([DISTD, "init", "--data", str(data), "--host", "localhost"])
    paths = {}
    for label, size_bytes in SIZES.items():
        source = folder / f"{label}.bin"
        source.write_bytes(os.urandom(size_bytes * 3 // 2))
        order = ["--name", label, "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x"]
        command = [DISTD, "package", "build", str(source), "--data", str(data), *order]
        package_id = json.loads(await run([*command, "--fragment-size", str(size_bytes), "--json"]))["id"]
        paths[label] = f"/{package_id}/{package_id}-1"
    return data, paths


async def token_of(address: str, data: Path) -> str:
    """The token of a computer that the server knows: by it the server notes down whose fragments it sends."""
    body = ocs.write_request(PrologRequest("bench"))
    host, port = address.rsplit(":", 1)
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        head = f"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
        await stream.send_all(head.encode() + body)
        await stream.receive_some(65536)
    return tokens.make((data / "keys" / "token.key").read_bytes(), 1)


async def bench(cells: list[tuple[str, int]], rounds: int, seconds: float) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data, paths = await make_site(folder)
        async with contextlib.AsyncExitStack() as stack:
            site = await stack.enter_async_context(distd_serve(data))
            token = await token_of(site.http, data)
            servers = [Server("distd", site.http, f"/download/~{token}", site.process.pid)]
            for number, (label, transfer) in enumerate(NGINX.items()):
                one = nginx(label, transfer, data / "download", folder / f"nginx{number}")
                servers.append(await stack.enter_async_context(one))
            return [await cell(servers, paths[size], size, count, rounds, seconds) for size, count in cells]


async def cell(
    servers: list[Server], path: str, size: str, connections: int, rounds: int, seconds: float
) -> dict[str, object]:
    slices: dict[str, list[Slice]] = {server.name: [] for server in servers}
    for server in servers:
        await measure(server, path, size, connections, 1)  # warm, not counted
    for _ in range(rounds):
        for server in servers:
            slices[server.name].append(await measure(server, path, size, connections, seconds))
    medians = {name: statistics.median(one.requests_per_s for one in many) for name, many in slices.items()}
    best = max(NGINX, key=lambda name: statistics.median(one.speed for one in slices[name]))
    ratios = [ours.speed / theirs.speed for ours, theirs in zip(slices["distd"], slices[best], strict=True)]
    row = {
        "size": size,
        "connections": connections,
        "best_nginx": best,
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "requests_per_s": medians,
        "p99_ms": {name: statistics.median(one.p99_ms for one in many) for name, many in slices.items()},
        "cpu_us": {name: statistics.median(one.cpu_us for one in many) for name, many in slices.items()},
    }
    sys.stderr.write(f"{size} c={connections}: {row['ratio']:.2f} of {best}\n")
    return row


def report(rows: list[dict[str, object]]) -> None:
    columns = ("size", "c", "distd/s", "best nginx/s", "which", "ratio", "spread", "p99 ms", "nginx", "CPU µs", "nginx")
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        best = str(row["best_nginx"])
        speed, p99, cpu = row["requests_per_s"], row["p99_ms"], row["cpu_us"]
        assert isinstance(speed, dict)
        assert isinstance(p99, dict)
        assert isinstance(cpu, dict)
        table.add_row(
            str(row["size"]),
            str(row["connections"]),
            f"{speed['distd']:,.0f}",
            f"{speed[best]:,.0f}",
            best.removeprefix("nginx "),
            f"{row['ratio']:.2f}",
            f"{row['ratio_low']:.2f}–{row['ratio_high']:.2f}",
            f"{p99['distd']:.2f}",
            f"{p99[best]:.2f}",
            f"{cpu['distd']:.1f}",
            f"{cpu[best]:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    mean = math.exp(statistics.fmean(math.log(float(str(row["ratio"]))) for row in rows))
    sys.stdout.write(f"geometric mean of the ratios to the best nginx: {mean:.2f} (goal 1.10), {len(rows)} cells\n")


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Of each slice of load.")
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)), help="Only these.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write all figures there.")
def main(rounds: int, seconds: float, sizes: tuple[str, ...], file: Path | None) -> None:
    """Fragments per second of distd beside nginx in its three ways of sending, one process each."""
    cells = [(size, count) for size in sizes or SIZES for count in CONNECTIONS]
    rows = trio.run(bench, cells, rounds, seconds)
    report(rows)
    if file is not None:
        file.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
