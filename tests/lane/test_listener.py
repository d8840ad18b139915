"""When connections are accepted."""

from __future__ import annotations

import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from distd.lane.counters import Counts
from distd.lane.limits import Limits
from distd.lane.listener import Listener
from distd.lane.turn import MAX_WAITING_HANDSHAKES, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reactor:
    """Notes what it is asked to watch."""

    def __init__(self) -> None:
        self.masks: list[int] = []

    def add(self, _fd: int, _target: object, mask: int) -> None:
        self.masks.append(mask)

    def modify(self, _fd: int, mask: int) -> None:
        self.masks.append(mask)

    def remove(self, _fd: int) -> None:
        pass


class Port:
    """A listening socket, its listener, and who was admitted."""

    def __init__(self, context: ssl.SSLContext | None, **limits: Any) -> None:
        self.turn = Turn(Limits(**limits), Counts(), logging.getLogger("distd.lane"))
        self.reactor = Reactor()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.admitted: list[socket.socket] = []
        reactor: Any = self.reactor
        self.listener = Listener(self.sock, context, self.turn, reactor, self._admit)
        self.clients: list[socket.socket] = []

    def _admit(self, sock: socket.socket, address: str, _: ssl.SSLContext | None) -> None:
        assert address == "127.0.0.1"
        self.admitted.append(sock)
        self.turn.counts.connections += 1

    def connect(self) -> None:
        self.clients.append(socket.create_connection(self.sock.getsockname()))

    def close(self) -> None:
        for sock in (*self.clients, *self.admitted):
            sock.close()
        self.listener.close()


@pytest.fixture(params=[False, True], ids=["http", "https"])
def port(request: pytest.FixtureRequest) -> Iterator[Port]:
    made = Port(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if request.param else None, connections=2)
    yield made
    made.close()


def test_all_that_wait_are_accepted_up_to_the_limit_of_connections(port: Port) -> None:
    for _ in range(3):
        port.connect()
    port.listener.ready(1)
    assert (len(port.admitted), port.reactor.masks[-1]) == (2, 0)
    port.turn.counts.connections -= 1
    port.listener.resume()
    assert port.reactor.masks[-1] == 1
    port.listener.ready(1)
    assert len(port.admitted) == 3


def test_while_many_handshakes_wait_none_is_accepted_under_tls(port: Port) -> None:
    turn = port.turn
    turn.begin(1.0, 128)
    while turn.take_handshake():
        pass
    for _ in range(MAX_WAITING_HANDSHAKES - 1):
        assert not turn.take_handshake()
    turn.begin(1.9, 0)  # timers, or an answer that comes from outside
    turn.begin(2.0, 1)
    port.connect()
    port.listener.ready(1)
    is_tls = port.listener.context is not None
    assert len(port.admitted) == (0 if is_tls else 1)
    turn.begin(3.0, 1)  # none waited in the turn before
    port.listener.ready(1)
    assert len(port.admitted) == 1
