"""One connection that asks at a steady pace, and notes how late each answer was. Run as `python -m loadtests.prober`.

Latency counts from when a request was due, not from when it was sent: what delays one request delays those behind it,
and that is the server's fault too. Prints one line of JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time

import click

# The end of a pause is watched for: the kernel's timers are too coarse for what is measured.
WATCH_S = 0.0003


def probe(host: str, port: int, request: bytes, per_s: float, seconds: float) -> list[float]:
    """Seconds from due time to the last byte, sorted."""
    late = []
    with socket.create_connection((host, port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        size = 0
        due_s = time.perf_counter()
        for _ in range(int(per_s * seconds)):
            due_s += 1 / per_s
            pause_s = due_s - time.perf_counter() - WATCH_S
            if pause_s > 0:
                time.sleep(pause_s)
            while time.perf_counter() < due_s:
                pass
            sock.sendall(request)
            size = receive(sock, size)
            late.append(time.perf_counter() - due_s)
    return sorted(late)


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
@click.argument("host")
@click.argument("port", type=int)
@click.argument("path")
@click.option("--per-second", "per_s", default=500.0)
@click.option("--seconds", default=3.0)
def main(host: str, port: int, path: str, per_s: float, seconds: float) -> None:
    """Ask at a steady pace."""
    late = probe(host, port, f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), per_s, seconds)
    figures = {name: late[int(len(late) * share)] * 1e6 for name, share in (("p50_us", 0.5), ("p99_us", 0.99))}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
