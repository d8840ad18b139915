"""Requests to servers in turn at a steady rate, and the latency of each. Run as `python -m loadtests.prober`.

The servers take turns request by request, so that what disturbs the machine disturbs all of them alike. Latency counts
from when a request was due, not from when it was sent: a late answer delays the requests after it, and that counts
too. Prints one line of JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time

import click

# The end of a pause is a busy loop: the kernel's timers are too coarse for what is measured.
BUSY_S = 0.0003


def probe(addresses: tuple[str, ...], path: str, per_s: float, seconds: float) -> list[list[float]]:
    """Latencies of each server, in seconds and sorted; each gets `per_s` requests a second."""
    servers = [ProbedServer(address, path) for address in addresses]
    due_s = time.perf_counter()
    for _ in range(int(per_s * seconds)):
        for server in servers:
            due_s += 1 / per_s / len(servers)
            pause_until(due_s)
            server.request(due_s)
    return [sorted(server.latencies_s) for server in servers]


def pause_until(due_s: float) -> None:
    """Return exactly at a time of `time.perf_counter()`."""
    pause_s = due_s - time.perf_counter() - BUSY_S
    if pause_s > 0:
        time.sleep(pause_s)
    while time.perf_counter() < due_s:
        pass


class ProbedServer:
    """A server, on one connection that is kept."""

    def __init__(self, address: str, path: str) -> None:
        host, port = address.rsplit(":", 1)
        self.latencies_s: list[float] = []
        self._request = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        self._answer_bytes = 0
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, due_s: float) -> None:
        """Send a request, receive its answer, note the latency since `due_s`."""
        self._socket.sendall(self._request)
        self._answer_bytes = receive(self._socket, self._answer_bytes)
        self.latencies_s.append(time.perf_counter() - due_s)


def receive(sock: socket.socket, size: int) -> int:
    """Receive one answer; `size`: its length, 0 where that is not known. Returns its length."""
    got = b""
    while not size or len(got) < size:
        data = sock.recv(65536)
        if not data:
            raise SystemExit("the server closed the connection")
        got += data
        if not size and b"\r\n\r\n" in got:
            head = got.partition(b"\r\n\r\n")[0]
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            size = len(head) + 4 + length
    if not got.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(got[:200].decode("latin-1"))
    return size


@click.command()
@click.argument("path")
@click.argument("addresses", nargs=-1, required=True)
@click.option("--per-second", "per_s", default=500.0)
@click.option("--seconds", default=3.0)
def main(path: str, addresses: tuple[str, ...], per_s: float, seconds: float) -> None:
    """Send requests at a steady rate; print the 99th percentile of each server, in µs."""
    latencies = probe(addresses, path, per_s, seconds)
    sys.stdout.write(json.dumps([seconds[int(len(seconds) * 0.99)] * 1e6 for seconds in latencies]) + "\n")


if __name__ == "__main__":
    main()
