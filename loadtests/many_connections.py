"""Many connections of one kind, idle or slow, from one process. Run as `python -m loadtests.many_connections`.

Prints one line of JSON when all are connected, and another when the server has closed all of them; it keeps them until
it is ended itself.
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

LIMIT_S = 60.0
BYTE_INTERVAL_S = 0.2  # between two bytes of a slow sender
ADDRESSES = 4  # of loopback that the connections come from, so that there are ports enough


def connect(host: str, port: int, count: int) -> list[socket.socket]:
    """Open so many connections at once; returns when all are connected. Raises `SystemExit` where one fails."""
    poll, pending = select.epoll(), {}
    for index in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((f"127.0.0.{2 + index % ADDRESSES}", 0))
        with contextlib.suppress(BlockingIOError):
            sock.connect((host, port))
        pending[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLOUT)
    connected = []
    while pending:
        events = poll.poll(LIMIT_S)
        if not events:
            raise SystemExit(f"{len(pending)} of {count} connections were not accepted in {LIMIT_S} s")
        for fd, _ in events:
            poll.unregister(fd)
            connected.append(pending.pop(fd))
            error = connected[-1].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise SystemExit(f"a connection was refused: {error}")
    return connected


def request_all(socks: list[socket.socket], request: bytes, answer_bytes: int) -> None:
    """Send the same request on each and wait until all are answered. Raises `SystemExit` where one is not."""
    poll = select.epoll()
    left = {}
    by_fd = {sock.fileno(): sock for sock in socks}
    for fd, sock in by_fd.items():
        sock.send(request)
        left[fd] = answer_bytes
        poll.register(fd, select.EPOLLIN)
    while left:
        events = poll.poll(LIMIT_S)
        if not events:
            raise SystemExit(f"{len(left)} connections got no answer in {LIMIT_S} s")
        for fd, _ in events:
            data = by_fd[fd].recv(65536)
            if not data:
                raise SystemExit("a connection was closed instead of answered")
            left[fd] -= len(data)
            if left[fd] <= 0:
                del left[fd]
                poll.unregister(fd)


def answer_length(host: str, port: int, request: bytes) -> int:
    """Bytes of the answer to a request on a connection that is kept."""
    with socket.create_connection((host, port)) as sock:
        sock.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        got = b""
        while data := sock.recv(65536):
            got += data
    return len(got.replace(b"Connection: close\r\n", b""))


def client_hello() -> bytes:
    """The first message of a TLS handshake."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def wait_for_ends(socks: list[socket.socket], data: bytes, begun_s: float) -> dict[str, float]:
    """How many the server has closed within `LIMIT_S`, the first and the last after how long since `begun_s`.

    Meanwhile each sends `data` byte by byte.
    """
    poll, still_open, times, sent = select.epoll(), {sock.fileno(): sock for sock in socks}, [], 0
    for fd in still_open:
        poll.register(fd, select.EPOLLIN)
    while still_open and time.monotonic() - begun_s < LIMIT_S:
        for fd, _ in poll.poll(BYTE_INTERVAL_S):
            try:
                ended = not still_open[fd].recv(65536)
            except OSError:
                ended = True
            if ended:
                times.append(time.monotonic() - begun_s)
                poll.unregister(fd)
                still_open.pop(fd).close()
        if sent < len(data):
            for sock in still_open.values():
                with contextlib.suppress(OSError):
                    sock.send(data[sent : sent + 1])
            sent += 1
    return {"ended": len(times), "first_s": min(times, default=0), "last_s": max(times, default=0)}


def print_facts(**facts: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def idle(host: str, port: int, count: int, request: bytes) -> None:
    """Each sends one request, and nothing after its answer."""
    size = answer_length(host, port, request)
    begun_s = time.monotonic()
    socks = connect(host, port, count)
    connected_s = time.monotonic() - begun_s
    request_all(socks, request, size)
    print_facts(connected_s=connected_s, answered_s=time.monotonic() - begun_s)
    signal.pause()


def slow(data_of: Callable[[bytes], bytes]) -> Callable[[str, int, int, bytes], None]:
    """Connections that send `data_of(request)` byte by byte, until the server closes them."""

    def run(host: str, port: int, count: int, request: bytes) -> None:
        begun_s = time.monotonic()
        socks = connect(host, port, count)
        print_facts(connected_s=time.monotonic() - begun_s)
        print_facts(**wait_for_ends(socks, data_of(request), begun_s))

    return run


def reader(host: str, port: int, count: int, request: bytes) -> None:
    """Each requests a fragment and reads a byte a second of it."""
    socks = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, port))
        sock.sendall(request)
        socks.append(sock)
    print_facts(connected_s=0.0)
    while True:
        time.sleep(1)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.recv(1)


MODES = {
    "idle": idle,
    "silent": slow(lambda _: b""),
    "head": slow(lambda request: request),
    "handshake": slow(lambda _: client_hello()),
    "reader": reader,
}


@click.command()
@click.argument("mode", type=click.Choice(list(MODES)))
@click.argument("host")
@click.argument("port", type=int)
@click.argument("path")
@click.option("--count", default=1)
def main(mode: str, host: str, port: int, path: str, count: int) -> None:
    """Open many connections and keep them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < count + 100:
        raise SystemExit(f"the system allows {hard} open files, {count} connections need more (ulimit -Hn)")
    MODES[mode](host, port, count, f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())


if __name__ == "__main__":
    main()
