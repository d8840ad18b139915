"""Connections that a server has to bear: one process, one behaviour. Run as `python -m loadtests.crowd`.

It prints one line of JSON when the crowd stands, and another when the server has ended all of it; until it is ended
itself it stays.
"""

from __future__ import annotations

import contextlib
import json
import resource
import select
import signal
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 60.0
DRIP_S = 0.2
ADDRESSES = 4  # of loopback that the connections come from, so that ports do not run short


def connect(host: str, port: int, count: int) -> list[socket.socket]:
    """So many connections at once, all of them complete."""
    poll, waiting = select.epoll(), {}
    for index in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((f"127.0.0.{2 + index % ADDRESSES}", 0))
        with contextlib.suppress(BlockingIOError):
            sock.connect((host, port))
        waiting[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLOUT)
    done = []
    while waiting:
        events = poll.poll(PATIENCE_S)
        if not events:
            raise SystemExit(f"{len(waiting)} of {count} connections were not accepted in {PATIENCE_S} s")
        for fd, _ in events:
            poll.unregister(fd)
            done.append(waiting.pop(fd))
            error = done[-1].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise SystemExit(f"a connection was refused: {error}")
    return done


def ask_all(socks: list[socket.socket], request: bytes, answer_bytes: int) -> None:
    """The same request on each, until all have answered."""
    poll = select.epoll()
    left = {}
    by_fd = {sock.fileno(): sock for sock in socks}
    for fd, sock in by_fd.items():
        sock.send(request)
        left[fd] = answer_bytes
        poll.register(fd, select.EPOLLIN)
    while left:
        events = poll.poll(PATIENCE_S)
        if not events:
            raise SystemExit(f"{len(left)} connections got no answer in {PATIENCE_S} s")
        for fd, _ in events:
            data = by_fd[fd].recv(65536)
            if not data:
                raise SystemExit("a connection was closed instead of answered")
            left[fd] -= len(data)
            if left[fd] <= 0:
                del left[fd]
                poll.unregister(fd)


def answer_length(host: str, port: int, request: bytes) -> int:
    with socket.create_connection((host, port)) as sock:
        sock.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        got = b""
        while data := sock.recv(65536):
            got += data
    return len(got.replace(b"Connection: close\r\n", b""))


def hello() -> bytes:
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def ends(socks: list[socket.socket], drip: bytes, begun_s: float) -> dict[str, float]:
    """When the first and the last were ended by the server. Meanwhile each sends a byte of `drip` now and then."""
    poll, open_ones, times, sent = select.epoll(), {sock.fileno(): sock for sock in socks}, [], 0
    for fd in open_ones:
        poll.register(fd, select.EPOLLIN)
    while open_ones and time.monotonic() - begun_s < PATIENCE_S:
        for fd, _ in poll.poll(DRIP_S):
            try:
                ended = not open_ones[fd].recv(65536)
            except OSError:
                ended = True
            if ended:
                times.append(time.monotonic() - begun_s)
                poll.unregister(fd)
                open_ones.pop(fd).close()
        if sent < len(drip):
            for sock in open_ones.values():
                with contextlib.suppress(OSError):
                    sock.send(drip[sent : sent + 1])
            sent += 1
    return {"ended": len(times), "first_s": min(times, default=0), "last_s": max(times, default=0)}


def say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def idle(host: str, port: int, count: int, request: bytes) -> None:
    """Each has asked once, and is silent since."""
    size = answer_length(host, port, request)
    begun_s = time.monotonic()
    socks = connect(host, port, count)
    connected_s = time.monotonic() - begun_s
    ask_all(socks, request, size)
    say(connected_s=connected_s, answered_s=time.monotonic() - begun_s)
    signal.pause()


def slow(drip: Callable[[bytes], bytes]) -> Callable[[str, int, int, bytes], None]:
    """Connections that send `drip(request)` byte by byte, until they are ended."""

    def run(host: str, port: int, count: int, request: bytes) -> None:
        begun_s = time.monotonic()
        socks = connect(host, port, count)
        say(connected_s=time.monotonic() - begun_s)
        say(**ends(socks, drip(request), begun_s))

    return run


def reader(host: str, port: int, count: int, request: bytes) -> None:
    """Each asks for a fragment and reads a byte a second."""
    socks = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, port))
        sock.sendall(request)
        socks.append(sock)
    say(connected_s=0.0)
    while True:
        time.sleep(1)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.recv(1)


MODES = {
    "idle": idle,
    "silent": slow(lambda _: b""),
    "head": slow(lambda request: request),
    "handshake": slow(lambda _: hello()),
    "reader": reader,
}


@click.command()
@click.argument("mode", type=click.Choice(list(MODES)))
@click.argument("host")
@click.argument("port", type=int)
@click.argument("path")
@click.option("--count", default=1)
def main(mode: str, host: str, port: int, path: str, count: int) -> None:
    """Be a crowd."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < count + 100:
        raise SystemExit(f"the system allows {hard} open files, {count} connections need more (ulimit -Hn)")
    MODES[mode](host, port, count, f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())


if __name__ == "__main__":
    main()
