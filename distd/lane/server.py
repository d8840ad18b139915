"""The lane: one trio task that serves all connections of a process.

It owns a private epoll set, and trio waits for that set's own descriptor. So trio wakes it once for a whole batch
of ready connections, which are then served by plain callbacks: no task switch and no re-arming for each request.
What a turn may do is bounded, so that the process's other tasks get theirs.

Resource handling: listeners are taken over and closed; connections are closed when `run` ends, however it ends.
Error handling: a peer's fault ends its connection with an answer where one can be given; a fault of ours in one
connection is logged with its traceback and ends that connection only.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from distd.lane.address_limits import Visitors
from distd.lane.connection import COPY_BYTES, Connection, State
from distd.lane.counters import Counts
from distd.lane.listener import Listener
from distd.lane.pacer import Pacer
from distd.lane.service import Service
from distd.lane.tls import TlsConnection

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Sequence

    from distd.lane.backend import Limits, Site
    from distd.lane.file_cache import FileCache
    from distd.lane.pacer import Levels

TURN_EVENTS: Final = 128
HOLD_S: Final = 0.002
SPIN_S: Final = 0.0002
TURN_HANDSHAKES: Final = 4
SWEEP_S: Final = 1.0
# What is not yet on its way waits in the file and not in the kernel: less memory for a slow peer, and big files came
# faster to many.
UNSENT_BYTES: Final = 262_144


class Lane:
    """The state of one lane. `run` serves until cancelled; `stop` begins a graceful end."""

    def __init__(
        self, site: Site, files: FileCache, limits: Limits, log: logging.Logger, levels: Levels | None = None
    ) -> None:
        """`levels`: those of the bandwidth's buckets, when other processes share them."""
        self.site = site
        self.log = log
        self.counts = Counts()
        self.service = Service(self, site, files, log)
        self.pacer = Pacer(self, levels)
        self.visitors: Visitors | None = None
        self.epoll = select.epoll()
        self.scratch = memoryview(bytearray(COPY_BYTES))
        self.now_s = 0.0
        self.alone = False  # one connection only has something in this turn
        self.stopping = False
        self.drained = trio.Event()
        self._connections: dict[int, Connection] = {}
        self._listeners: dict[int, Listener] = {}
        self._again: deque[Connection] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._handshakes = 0
        self._buffered_bytes = 0
        self.idle_deadline_s = 0.0
        self._quiet_s = 0.0
        self._limit(limits)

    # --- the loop ------------------------------------------------------------------------------------------------

    async def run(self, listeners: Sequence[tuple[socket.socket, ssl.SSLContext | None]]) -> None:
        """Serve the listening sockets, those with a context under TLS, until cancelled."""
        self.tell_time()
        try:
            for sock, context in listeners:
                sock.setblocking(False)
                listener = Listener(self, sock, context)
                self._listeners[sock.fileno()] = listener
                self.epoll.register(sock.fileno(), select.EPOLLIN)
            self.epoll.register(self._bell, select.EPOLLIN)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._sweep)
                nursery.start_soon(self.pacer.run)
                while True:
                    await trio.lowlevel.wait_readable(self.epoll.fileno())
                    self._take_turns()
        finally:
            self._close_listeners()
            for connection in list(self._connections.values()):
                connection.close()
            self.epoll.close()
            os.close(self._bell)

    def _take_turns(self) -> None:
        """Turn after turn while there is something to do, but no longer than `HOLD_S`: then other tasks get theirs.

        Going back to trio and being woken again costs more than a small request. So where the last request came within
        `SPIN_S` of the one before, the set is watched for that long when all is served. Requests that come singly are
        not waited for.
        """
        begun_s = time.perf_counter()
        spin_s = SPIN_S if begun_s - self._quiet_s < SPIN_S else 0.0
        quiet_s, poll = begun_s, self.epoll.poll
        while True:
            events = poll(0, TURN_EVENTS)
            if events:
                self._turn(events)
                quiet_s = now_s = time.perf_counter()
            else:
                now_s = time.perf_counter()
                if now_s - quiet_s >= spin_s:
                    break
            if now_s - begun_s > HOLD_S:
                break
        self._quiet_s = quiet_s

    def _turn(self, events: list[tuple[int, int]]) -> None:
        self.tell_time()
        self.alone = len(events) == 1
        self._handshakes = TURN_HANDSHAKES
        for _ in range(len(self._again)):
            connection = self._again.popleft()
            if connection.state is not State.GONE:
                self.wake(connection)
        if not self._again:
            self._silence_bell()
        for fd, _ in events:
            target = self._connections.get(fd) or self._listeners.get(fd)
            if target is not None:
                self.wake(target)

    def wake(self, target: Connection | Listener) -> None:
        """Let it do what can be done."""
        try:
            target.ready()
        except Exception:
            self.log.exception("a fault in the lane; the connection is closed")
            if isinstance(target, Connection):
                target.close()

    def _silence_bell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    async def _sweep(self) -> None:
        """End what has waited beyond its limit."""
        while True:
            await trio.sleep(SWEEP_S)
            self.tell_time()
            for connection in [c for c in self._connections.values() if c.deadline_s < self.now_s]:
                connection.expire()
            for listener in self._listeners.values():
                listener.resume()
            self.pacer.look_at_clock()
            if self.visitors is not None:
                self.visitors.sweep(self.now_s)

    def tell_time(self) -> None:
        """Once a turn is often enough: what a turn takes is no matter to deadlines, and Date is in seconds."""
        self.now_s = trio.current_time()
        self.idle_deadline_s = self.now_s + self.limits.idle_timeout_s
        self.service.tell_time()

    def stop(self) -> None:
        """Accept no more, drop the idle; `drained` is set when the last answer is out."""
        self.stopping = True
        self._close_listeners()
        for connection in list(self._connections.values()):
            if connection.state is State.IDLE:
                connection.close()
        self._note_drained()

    def reconfigure(self, limits: Limits, context: ssl.SSLContext) -> None:
        """Other limits, and another certificate for those who connect from now on."""
        self._limit(limits)
        for connection in self._connections.values():
            self.pacer.assign(connection)
        for listener in self._listeners.values():
            if listener.context is not None:
                listener.context = context

    def _limit(self, limits: Limits) -> None:
        self.limits = limits
        self.pacer.set_rules(limits.bandwidth)
        each = limits.connections_per_address, limits.heads_per_s_per_address
        self.visitors = Visitors(*each) if any(each) else None

    def _close_listeners(self) -> None:
        for listener in self._listeners.values():
            listener.sock.close()
        self._listeners.clear()

    # --- what connections and listeners ask ----------------------------------------------------------------------

    def admit(self, sock: socket.socket, address: str, context: ssl.SSLContext | None) -> None:
        """Take a new connection in, or close it when its address has too many."""
        if self.visitors is not None and not self.visitors.come(address, self.now_s):
            self.counts.refused["connections_per_address"] += 1
            sock.close()
            return
        self.counts.accepted += 1
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        connection = Connection(self, sock, address) if context is None else TlsConnection(self, sock, address, context)
        self._connections[connection.fd] = connection
        self.counts.connections += 1
        self.pacer.assign(connection)
        self.epoll.register(connection.fd, connection.interest)

    def has_room(self) -> bool:
        return len(self._connections) < self.limits.connections

    def may_shake_hands(self) -> bool:
        """Take one of this turn's TLS handshakes, if any is left."""
        self._handshakes -= 1
        return self._handshakes >= 0

    def again(self, connection: Connection) -> None:
        """Serve what stands in its buffer in the next turn: the others come first."""
        self._again.append(connection)
        os.eventfd_write(self._bell, 1)

    def hold(self, connection: Connection, size_bytes: int) -> bool:
        """Account for bytes of a body. False: all bodies together would take too much memory."""
        if self._buffered_bytes + size_bytes > self.limits.buffered_bytes:
            return False
        self._buffered_bytes += size_bytes
        connection.held_bytes += size_bytes
        return True

    def release(self, connection: Connection) -> None:
        self._buffered_bytes -= connection.held_bytes
        connection.held_bytes = 0

    def forget(self, connection: Connection) -> None:
        """The connection ends, or goes to somebody else."""
        connection.state = State.GONE
        connection.file = None
        self.counts.connections -= 1
        if connection.buckets:
            self.pacer.forget(connection)
        if self.visitors is not None:
            self.visitors.leave(connection.address)
        self.release(connection)
        self.epoll.unregister(connection.fd)
        del self._connections[connection.fd]
        self._note_drained()

    def _note_drained(self) -> None:
        if self.stopping and not self._connections:
            self.drained.set()
