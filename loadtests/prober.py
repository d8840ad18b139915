"""Servers asked in turn at a steady pace, and how late each answer was. Run as `python -m loadtests.prober`.

The servers take turns request by request, so that what disturbs the machine meets all of them alike. Latency counts
from when a request was due, not from when it was sent: what delays one request delays those behind it, and that is the
server's fault too. Prints one line of JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time

import click

# The end of a pause is watched for: the kernel's timers are too coarse for what is measured.
WATCH_S = 0.0003


def probe(addresses: tuple[str, ...], path: str, per_s: float, seconds: float) -> list[list[float]]:
    """Seconds from due time to the last byte, sorted, of each server; each is asked `per_s` times a second."""
    asked = [Asked(address, path) for address in addresses]
    due_s = time.perf_counter()
    for _ in range(int(per_s * seconds)):
        for one in asked:
            due_s += 1 / per_s / len(asked)
            wait_until(due_s)
            one.ask(due_s)
    return [sorted(one.late) for one in asked]


def wait_until(due_s: float) -> None:
    pause_s = due_s - time.perf_counter() - WATCH_S
    if pause_s > 0:
        time.sleep(pause_s)
    while time.perf_counter() < due_s:
        pass


class Asked:
    """One server, by one connection that stays."""

    def __init__(self, address: str, path: str) -> None:
        host, port = address.rsplit(":", 1)
        self.late: list[float] = []
        self._request = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        self._answer_bytes = 0
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, due_s: float) -> None:
        self._socket.sendall(self._request)
        self._answer_bytes = receive(self._socket, self._answer_bytes)
        self.late.append(time.perf_counter() - due_s)


def receive(sock: socket.socket, size: int) -> int:
    """Take one answer; `size` is how long it is when that is known. Returns how long it was."""
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
    """Ask at a steady pace; the 99th percentile of each, in µs."""
    found = probe(addresses, path, per_s, seconds)
    sys.stdout.write(json.dumps([late[int(len(late) * 0.99)] * 1e6 for late in found]) + "\n")


if __name__ == "__main__":
    main()
