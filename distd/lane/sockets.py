"""Listening sockets: made here, inherited from the supervisor, or passed by systemd."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import Final

from distd.domain.errors import BadInput

BACKLOG: Final = 4096
# How the supervisor tells a worker which descriptors are its listening sockets, and which is the memory that all
# workers share: "http=7 https=8 levels=9".
VARIABLE: Final = "DISTD_SOCKETS"
KINDS: Final = ("http", "https")
LEVELS: Final = "levels"
_FIRST_PASSED: Final = 3  # sd_listen_fds(3): descriptors from 3 on


@dataclass(frozen=True, slots=True)
class Listeners:
    """One listening socket of each kind."""

    http: socket.socket
    https: socket.socket

    def close(self) -> None:
        """Close both."""
        self.http.close()
        self.https.close()


def listen(http: str, https: str, count: int) -> list[Listeners]:
    """Sockets for `count` processes, which share the ports (SO_REUSEPORT) when there are several.

    Raises `BadInput` for an address that cannot be bound; nothing is left open then.
    """
    for field, address in (("http", http), ("https", https)):
        _split(field, address)  # both before one is opened
    opened: list[socket.socket] = []
    try:
        for field, address in (("http", http), ("https", https)):
            first = _bind(field, address, shared=count > 1)
            opened.append(first)
            opened.extend(_bind(field, name_of(first), shared=True) for _ in range(count - 1))
    except BadInput:
        for sock in opened:
            sock.close()
        raise
    return [Listeners(plain, secure) for plain, secure in zip(opened[:count], opened[count:], strict=True)]


def passed() -> Listeners | None:
    """The sockets that the supervisor or systemd passes to this process; None when there are none.

    systemd names them (FileDescriptorName=http and =https); unnamed they are taken in that order.
    """
    given = _from_supervisor()
    if given:
        return _adopt(given)
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    if set(names) != set(KINDS):
        names = list(KINDS)
    if count != len(KINDS):
        raise BadInput("LISTEN_FDS", "2 sockets, http and https", count)
    return _adopt({name: _FIRST_PASSED + index for index, name in enumerate(names)})


def shared_levels() -> int | None:
    """The descriptor of the memory that all workers of one server share; None in a server of one process."""
    return _from_supervisor().get(LEVELS)


def _from_supervisor() -> dict[str, int]:
    pairs = (part.split("=") for part in os.environ.get(VARIABLE, "").split())
    return {name: int(number) for name, number in pairs}


def _adopt(numbers: dict[str, int]) -> Listeners:
    try:
        return Listeners(*(socket.socket(fileno=numbers[kind]) for kind in KINDS))
    except (OSError, KeyError) as error:
        raise BadInput("passed sockets", "listening sockets named http and https", str(error)) from None


def is_worker() -> bool:
    """Whether a supervisor has started this process."""
    return VARIABLE in os.environ


def name_of(sock: socket.socket) -> str:
    """ "host:port", or "[address]:port"."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(field: str, address: str, *, shared: bool) -> socket.socket:
    host, port = _split(field, address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInput(field, "a free port", f"{address}, which is taken") from None
        raise BadInput(field, "an address of this machine", f"{address}: {error.strerror or error}") from None


def _split(field: str, address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and len(port) <= 5 and int(port) <= 65535):
        raise BadInput(field, "HOST:PORT, such as 0.0.0.0:8080", address)
    return host.strip("[]"), int(port)
