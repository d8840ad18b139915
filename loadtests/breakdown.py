"""`make bench-breakdown`: where the microseconds of a request go.

The lane's own functions, one after the other and each many times, over a socket pair in this process: a GET for a
fragment of 4 KiB by a computer's token. Below them is what `Connection.ready` takes as a whole; what is left over is
the glue between the parts. Medians are shown, so that an interruption does not count.
"""

from __future__ import annotations

import logging
import socket
import ssl
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from distd.domain.errors import NotFound
from distd.domain.settings import AgentSettings
from distd.lane.file_cache import FileCache
from distd.lane.limits import Limits
from distd.lane.process_setup import tls
from distd.lane.responder import FAST_PATH_REQUEST
from distd.lane.server import Lane
from distd.lane.transport import RECEIVE_BYTES, Transport
from distd.origin.installation import create_installation
from distd.report.page import Table
from distd.server.agent_access import AgentAccess
from distd.server.backend import OriginBackend
from distd.server.progress import ProgressRecorder
from distd.server.steering import Steering
from distd.storage import pki
from distd.wire import http, tokens
from loadtests.results import publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.wire.manifest import Digests

PACKAGE = "1700000001"
ROUNDS = 9
HANDSHAKES = 300


def no_manifest(package_id: str) -> Digests:
    """Raise, as for a folder without manifests."""
    raise NotFound("package", "one with a manifest", package_id)


class Bench:
    """One connection of a lane that does not run, and its peer."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        (folder / PACKAGE).mkdir()
        (folder / PACKAGE / f"{PACKAGE}-1").write_bytes(bytes(size_bytes))
        key = bytes(32)
        log = logging.getLogger()
        steering = Steering(None, log)  # type: ignore[arg-type]
        progress = ProgressRecorder(None, log)  # type: ignore[arg-type]
        access = AgentAccess(lambda: (key,), AgentSettings, log)
        self.backend = OriginBackend(None, steering, progress, None, access, lambda _: None, log)  # type: ignore[arg-type]
        self.files = FileCache(folder, no_manifest)
        self.lane = Lane(self.backend, self.files, Limits(), log)
        self.lane.turn.refresh()
        self.ours, self.peer = socket.socketpair()
        self.ours.setblocking(False)
        self.connection = self.lane.connect(Transport(self.ours, self.lane.turn), "127.0.0.1")
        self.token = tokens.make(key, 46, 60_000)
        target = f"/download/~{self.token}/{PACKAGE}/{PACKAGE}-1"
        self.request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n".encode()
        self.key = f"{PACKAGE}/{PACKAGE}-1".encode()
        self.answer_bytes = len(self.whole())

    def whole(self) -> bytes:
        """Serve one request; returns the answer."""
        self.peer.send(self.request)
        self.connection.ready(0)
        return self.peer.recv(RECEIVE_BYTES)

    def parts(self) -> list[tuple[str, Callable[[], object]]]:
        """What it is, and a function that does it once; those that move bytes are timed with what undoes it."""
        lane, backend, request = self.lane, self.backend, self.request
        turn, connection = lane.turn, self.connection
        match = FAST_PATH_REQUEST.match(request)
        assert match is not None
        block = request[match.end() : -4]
        file = self.files.get(self.key, turn.now_s)
        assert file is not None
        lines = http.status_lines(200, 0) + file.fields

        def count() -> None:
            turn.counts.sent_bytes += len(lines)
            connection.deadline_s = turn.idle_deadline_s

        return [
            ("epoll: what is ready", partial(lane.reactor.poll, 0, 128)),
            ("the end of the head, and its first line by one regular expression",
             lambda: (request.find(b"\r\n\r\n"), FAST_PATH_REQUEST.match(request))),
            ("its fields (remembered)", lambda: http.parse_fields(block, 1)),
            ("the token's computer (remembered)", lambda: backend.computer_of(self.token)),
            ("the file (open)", lambda: self.files.get(self.key, turn.now_s)),
            ("the answer's bytes", lambda: b"" + lines),
            ("whose fragment was sent", lambda: backend.fetched(46, PACKAGE, 1, file.size, "127.0.0.1")),
            ("counters and the deadline", count),
        ]  # fmt: skip


def per_call_us(once: Callable[[], object], calls: int) -> float:
    """Microseconds of a call, as the mean of so many."""
    begun_s = time.perf_counter()
    for _ in range(calls):
        once()
    return (time.perf_counter() - begun_s) / calls * 1e6


def median_us(once: Callable[[], object], calls: int) -> float:
    """The median of `ROUNDS` such means."""
    return statistics.median(per_call_us(once, calls) for _ in range(ROUNDS))


def move_us(bench: Bench, size_bytes: int, calls: int) -> tuple[float, float]:
    """send() and recv() of so many bytes over the pair; the lane does one of the two, the peer the other."""
    ours, peer, data = bench.ours, bench.peer, bytes(size_bytes)
    sends, receives = [], []
    for _ in range(calls):
        begun_s = time.perf_counter()
        ours.send(data)
        sent_s = time.perf_counter()
        peer.recv(RECEIVE_BYTES)
        sends.append(sent_s - begun_s)
        receives.append(time.perf_counter() - sent_s)
    return statistics.median(sends) * 1e6, statistics.median(receives) * 1e6


async def measure(calls: int, size_bytes: int) -> list[tuple[str, float]]:
    """What it is and microseconds, row by row; the last two are what is left over, and all."""
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), size_bytes)
        rows = [(what, median_us(once, calls)) for what, once in bench.parts()]
        _, receive_us = move_us(bench, len(bench.request), calls)
        send_us, _ = move_us(bench, bench.answer_bytes, calls)
        rows[1:1] = [("recv() of the request", receive_us)]
        rows += [("send() of head and body", send_us)]
        ready = []
        for _ in range(calls):
            bench.peer.send(bench.request)
            begun_s = time.perf_counter()
            bench.connection.ready(0)
            ready.append(time.perf_counter() - begun_s)
            bench.peer.recv(RECEIVE_BYTES)
        whole_us = statistics.median(ready) * 1e6 + rows[0][1]
        rows += [("glue", whole_us - sum(us for _, us in rows)), ("all", whole_us)]
        return rows


def handshakes(rounds: int) -> list[tuple[str, float, float]]:
    """What it is, and microseconds of the server's and of the client's part: a full handshake, and a resumed one."""
    with tempfile.TemporaryDirectory() as name:
        data = create_installation(Path(name) / "site", ["localhost"])
        server = tls(data.keys / pki.SERVER_CERTIFICATE, data.keys / pki.SERVER_KEY)
        client = ssl.create_default_context(cafile=str(data.ca_certificate))
        session: ssl.SSLSession | None = None
        rows = []
        for what in ("a full handshake", "a resumed one"):
            pairs = [Handshake(server, client, session) for _ in range(rounds)]
            for pair in pairs:
                pair.run()
            server_us = statistics.median(pair.server_s for pair in pairs) * 1e6
            rows.append((what, server_us, statistics.median(pair.client_s for pair in pairs) * 1e6))
            session = pairs[-1].session
        return rows


class Handshake:
    """Both sides of a TLS handshake in memory; `server_s` and `client_s`: the time that each took."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = client.wrap_bio(down, up, server_hostname="localhost", session=session)
        self._server = server.wrap_bio(up, down, server_side=True)
        self.client_s = self.server_s = 0.0

    @property
    def session(self) -> ssl.SSLSession | None:
        """What the client can resume later."""
        return self._client.session

    def run(self) -> None:
        """From the first message to the tickets, which the client reads with the first answer."""
        done = False
        while not done:
            client_us, _ = _timed(self._client.do_handshake)
            server_us, done = _timed(self._server.do_handshake)
            self.client_s += client_us
            self.server_s += server_us
        self._server.write(b"answer")
        self.client_s += _timed(partial(self._client.read, 100))[0]


def _timed(step: Callable[[], object]) -> tuple[float, bool]:
    """Seconds, and whether the step needs no more bytes."""
    begun_s = time.perf_counter()
    done = True
    try:
        step()
    except ssl.SSLWantReadError:
        done = False
    return time.perf_counter() - begun_s, done


@click.command()
@click.option("--calls", default=20_000, show_default=True, help="Of each part, in each of its rounds.")
@click.option("--bytes", "size_bytes", default=4096, show_default=True, type=click.IntRange(1, 16_384))
def main(calls: int, size_bytes: int) -> None:
    """Where the microseconds of a request for a small fragment go."""
    rows = trio.run(measure, calls, size_bytes)
    whole_us = rows[-1][1]
    parts = [[what, f"{us:.2f}", f"{us / whole_us:.0%}"] for what, us in rows]
    table = Table(f"A request for {size_bytes:,} bytes", ("part", "µs", "share"), parts)
    hands = [[what, f"{server_us:.0f}", f"{client_us:.0f}"] for what, server_us, client_us in handshakes(HANDSHAKES)]
    tls_table = Table("A TLS 1.3 handshake, µs", ("", "server", "client"), hands)
    publish("breakdown", "Where the microseconds of a request go", "make bench-breakdown", [table, tls_table])


if __name__ == "__main__":
    main()
