"""The lane: one trio task that serves all connections of a process.

It composes what stands below it (reactor, listeners, connections, responder, pacer), none of which knows it, and looks
once a second after what has waited beyond its limit.

Resource handling: listeners are taken over and closed; connections are closed when `run` ends, however it ends.
Error handling: a peer's fault ends its connection with an answer where one can be given; a fault of ours in one
connection is logged with its traceback and ends that connection only.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import trio

from distd.lane.connection import Connection, State
from distd.lane.counters import Counts
from distd.lane.listener import Listener
from distd.lane.pacer import Pacer
from distd.lane.reactor import Reactor
from distd.lane.responder import Responder
from distd.lane.transport import TlsTransport, Transport
from distd.lane.turn import Turn

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Sequence

    from distd.lane.backend import Backend
    from distd.lane.file_cache import FileCache
    from distd.lane.limits import Limits
    from distd.lane.pacer import Levels

EXPIRY_CHECK_S: Final = 1.0
# While more than this share of the connections is taken, who is silent must send a request's head within so many
# seconds: a flood of silent connections keeps nobody out for long.
CROWDED: Final = 0.9
CROWDED_HEAD_TIMEOUT_S: Final = 5.0
# What is not yet on its way waits in the file and not in the kernel: less memory for a slow peer, and big files came
# faster to many.
UNSENT_BYTES: Final = 262_144


class Lane:
    """One lane. `run` serves until cancelled; `stop` begins a graceful end."""

    def __init__(
        self, backend: Backend, files: FileCache, limits: Limits, log: logging.Logger, levels: Levels | None = None
    ) -> None:
        """`levels`: those of the bandwidth's buckets, when other processes share them."""
        self.counts = Counts()
        self.turn = Turn(limits, self.counts, log)
        self.reactor = Reactor(trio.current_time, self.turn.begin)
        self.pacer = Pacer(self.turn, self.reactor, levels)
        self.pacer.set_rules(limits.bandwidth)
        self.responder = Responder(backend, files, self.turn)
        self.drained = trio.Event()
        self._listeners: list[Listener] = []
        self._on_end = self._forget

    async def run(self, listeners: Sequence[tuple[socket.socket, ssl.SSLContext | None]]) -> None:
        """Serve the listening sockets, those with a context under TLS, until cancelled."""
        self.turn.refresh()
        try:
            for sock, context in listeners:
                sock.setblocking(False)
                self._listeners.append(Listener(sock, context, self.turn, self.reactor, self.admit))
            self.reactor.at(self.turn.now_s + EXPIRY_CHECK_S, self._expire_connections)
            await self.reactor.run()
        finally:
            self._close_listeners()
            for connection in self.connections():
                connection.close()
            self.reactor.close()

    def stop(self) -> None:
        """Accept no more, drop the idle; `drained` is set when the last answer is out."""
        self.turn.stopping = True
        self._close_listeners()
        for connection in [c for c in self.connections() if c.state is State.IDLE]:
            connection.close()
        self._note_drained()

    def reconfigure(self, limits: Limits, context: ssl.SSLContext) -> None:
        """Other limits, and another certificate for those who connect from now on."""
        self.turn.set_limits(limits)
        self.turn.refresh()
        self.pacer.set_rules(limits.bandwidth)
        for connection in self.connections():
            self.pacer.assign(connection)
            if connection.state is State.WRITING:
                connection.resume(0.0)  # it waits for no bucket now
        for listener in self._listeners:
            if listener.context is not None:
                listener.context = context

    def admit(self, sock: socket.socket, address: str, context: ssl.SSLContext | None) -> None:
        """Take a new connection in, or close it when its address has too many."""
        addresses = self.turn.addresses
        if addresses is not None and not addresses.connect(address, self.turn.now_s):
            self.counts.refused["connections_per_address"] += 1
            sock.close()
            return
        self.counts.accepted += 1
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self.connect(Transport(sock, self.turn) if context is None else TlsTransport(sock, self.turn, context), address)

    def connect(self, transport: Transport, address: str) -> Connection:
        """A connection over a transport, from now on served."""
        self.counts.connections += 1
        return Connection(transport, address, self.turn, self.reactor, self.pacer, self.responder, on_end=self._on_end)

    def connections(self) -> list[Connection]:
        """All that are served. A set of them beside the reactor's table would cost each idle one 50 bytes."""
        return [target for target in self.reactor.targets.values() if isinstance(target, Connection)]

    def _expire_connections(self) -> None:
        """End what has waited beyond its limit."""
        now_s, limits = self.turn.now_s, self.turn.limits
        ends_s = [now_s] * len(State)  # which deadlines have come, by state
        if self.counts.connections > CROWDED * limits.connections:
            ends_s[State.IDLE] = ends_s[State.HEAD] = now_s + max(limits.head_timeout_s - CROWDED_HEAD_TIMEOUT_S, 0)
        for connection in [c for c in self.connections() if c.deadline_s < ends_s[c.state]]:
            connection.expire()
        for listener in self._listeners:
            listener.resume()
        self.pacer.check_hours()
        if self.turn.addresses is not None:
            self.turn.addresses.forget_idle(now_s)
        self.reactor.at(now_s + EXPIRY_CHECK_S, self._expire_connections)

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def _forget(self, connection: Connection) -> None:
        self.counts.connections -= 1
        if self.turn.addresses is not None:
            self.turn.addresses.disconnect(connection.address)
        self._note_drained()

    def _note_drained(self) -> None:
        if self.turn.stopping and not self.counts.connections:
            self.drained.set()
