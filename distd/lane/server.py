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
import re
import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from distd.core import http
from distd.core.errors import Unavailable
from distd.core.http import HeadError
from distd.lane import answers
from distd.lane.connection import Connection, State
from distd.lane.listener import Listener
from distd.lane.site import Post
from distd.lane.stream import PlainStream, TlsStream
from distd.lane.tls import TlsConnection

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Sequence

    from distd.core.http import Head
    from distd.lane.files import FileCache, OpenFile
    from distd.lane.site import Limits, Site

POST_PATH: Final = b"/ocsinventory"
_PATH: Final = rb"/download/(?:~([0-9a-z]{1,11}-[0-9a-f]{20})/)?(([0-9]{1,20})/(?:info|manifest|\3-[1-9][0-9]{0,6}))"
_PACKAGE_PATH: Final = re.compile(_PATH)
_COMMON: Final = re.compile(rb"GET " + _PATH + rb" HTTP/1\.1\r\n")
TURN_EVENTS: Final = 128
HOLD_S: Final = 0.002
SPIN_S: Final = 0.0002
TURN_HANDSHAKES: Final = 4
SWEEP_S: Final = 1.0


class Lane:
    """The state of one lane. `run` serves until cancelled; `stop` begins a graceful end."""

    def __init__(self, site: Site, files: FileCache, limits: Limits, log: logging.Logger) -> None:
        self.site = site
        self.files = files
        self.limits = limits
        self.log = log
        self.epoll = select.epoll()
        self.now_s = 0.0
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
        self._second = 0
        self._ok_lines = b""

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
        self._handshakes = TURN_HANDSHAKES
        for _ in range(len(self._again)):
            connection = self._again.popleft()
            if connection.state is not State.GONE:
                self._serve(connection)
        if not self._again:
            self._silence_bell()
        for fd, _ in events:
            target = self._connections.get(fd) or self._listeners.get(fd)
            if target is not None:
                self._serve(target)

    def _serve(self, target: Connection | Listener) -> None:
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

    def tell_time(self) -> None:
        """Once a turn is often enough: what a turn takes is no matter to deadlines, and Date is in seconds."""
        self.now_s = trio.current_time()
        self.idle_deadline_s = self.now_s + self.limits.idle_timeout_s
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._ok_lines = http.status_lines(200, second)

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
        self.limits = limits
        for listener in self._listeners.values():
            if listener.context is not None:
                listener.context = context

    def _close_listeners(self) -> None:
        for listener in self._listeners.values():
            listener.sock.close()
        self._listeners.clear()

    # --- what connections and listeners ask ----------------------------------------------------------------------

    def admit(self, sock: socket.socket, address: str, context: ssl.SSLContext | None) -> None:
        """Take a new connection in."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, sock, address) if context is None else TlsConnection(self, sock, address, context)
        self._connections[connection.fd] = connection
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
        self.release(connection)
        self.epoll.unregister(connection.fd)
        del self._connections[connection.fd]
        self._note_drained()

    def _note_drained(self) -> None:
        if self.stopping and not self._connections:
            self.drained.set()

    # --- requests ------------------------------------------------------------------------------------------------

    def dispatch(self, connection: Connection, head: Head, raw: bytes) -> None:
        """A head has come in: serve it, wait for its body, or hand the connection over. Raises `HeadError`."""
        connection.old = head.minor == 0
        connection.head_only = head.method == b"HEAD"
        path = http.path_of(head.target)
        if path != POST_PATH and not path.startswith(b"/download/"):
            self._hand_over(connection, raw)
        elif head.fields.transfer_encoding:
            # Agents send lengths. A chunked body would have to be parsed only to be thrown away.
            raise HeadError(411, "a Content-Length is required")
        elif head.fields.content_length:
            connection.collect_body(head, head.fields.content_length)
        else:
            self.serve(connection, head, b"")

    def serve_common(self, connection: Connection, end: int) -> bool:
        """Serve the request that nearly all are: GET of a whole file, on a connection that stays.

        `end` is where its head ends, -1 when it has not come. False: it is another one, or cannot be served, and
        nothing was done. A shorter way to what `dispatch` and `serve` come to in general.
        """
        match = _COMMON.match(connection.buffer)
        if match is None or not match.end() <= end <= self.limits.head_bytes or self.stopping:
            return False
        buffer = connection.buffer
        try:
            fields = http.parse_fields(buffer[match.end() : end], 1)
            token, key, _ = match.groups()
            file = self.files.get(key, self.now_s) if fields.plain else None
        except (HeadError, OSError):
            return False
        computer_id = 0 if token is None else self.site.computer_of(token.decode("ascii"))
        if file is None or computer_id is None:
            return False
        connection.buffer = buffer[end + 4 :]
        connection.keep_alive = True
        connection.old = connection.head_only = False
        connection.out += self._ok_lines + file.fields
        if not file.in_memory:
            connection.file = file
            connection.offset = 0
            connection.left = file.size
        if file.number:
            connection.on_sent = (computer_id, file.package_id, file.number, file.size)
        connection.write()
        return True

    def serve(self, connection: Connection, head: Head, body: bytes) -> None:
        """A whole request of the lane's own is here."""
        path = http.path_of(head.target)
        match = _PACKAGE_PATH.fullmatch(path)
        if match is not None:
            if head.method in (b"GET", b"HEAD"):
                self._serve_file(connection, head, match)
            else:
                self.answer(connection, 405, b"", b"Allow: GET, HEAD\r\n")
        elif path != POST_PATH:
            self.answer(connection, 404, b"no such package, info or fragment\n")
        elif head.method != b"POST":
            self.answer(connection, 405, b"", b"Allow: POST\r\n")
        else:
            self._serve_post(connection, head, body)

    def _serve_post(self, connection: Connection, head: Head, body: bytes) -> None:
        connection.state = State.WAITING

        def answer(status: int, content: bytes) -> None:
            if connection.state is State.WAITING:
                self.tell_time()
                self._deliver(connection, status, content)

        post = Post(body, connection.address, head.fields.user_agent.decode("latin-1"))
        try:
            self.site.post(post, answer)
        except Unavailable as error:
            self.answer(connection, 503, f"{error}\n".encode(), b"Retry-After: 10\r\n")

    def _deliver(self, connection: Connection, status: int, content: bytes) -> None:
        ok = status == 200
        kind = b"application/x-compressed" if ok else b"text/plain; charset=utf-8"
        try:
            self.answer(connection, status, content, b"Cache-Control: no-cache\r\n", kind)
            if connection.buffer and connection.state is State.IDLE:
                connection.advance()
        except OSError:
            connection.close()

    def _hand_over(self, connection: Connection, raw: bytes) -> None:
        stream: PlainStream | TlsStream
        replay = raw + connection.buffer
        idle_timeout_s = self.limits.idle_timeout_s
        self.forget(connection)
        if isinstance(connection, TlsConnection):
            stream = TlsStream(connection, replay, idle_timeout_s)
        else:
            stream = PlainStream(connection.sock, replay, idle_timeout_s)
        self.site.hand_over(stream)

    # --- answers -------------------------------------------------------------------------------------------------

    def _serve_file(self, connection: Connection, head: Head, match: re.Match[bytes]) -> None:
        token, key, _ = match.groups()
        computer_id = 0
        if token is not None:
            found = self.site.computer_of(token.decode("ascii"))
            if found is None:
                self.answer(connection, 403, b"this path was given to nobody\n")
                return
            computer_id = found
        try:
            file = self.files.get(key, self.now_s)
        except OSError as error:
            self.log.error("%s: %s", key.decode("ascii"), error.strerror)
            self.answer(connection, 503, b"the file cannot be read now\n", b"Retry-After: 10\r\n")
            return
        if file is None:
            self.answer(connection, 404, b"no such package, info or fragment\n")
            return
        stock_agent = head.fields.user_agent.startswith(b"OCS-NG")
        # Range is for GET only (RFC 9110, 14.2).
        fields = head.fields._replace(range=None) if connection.head_only else head.fields
        selection = http.select(fields, file.size, file.etag, file.modified_s, stock_agent=stock_agent)
        to_the_end = selection.status == 200 or (selection.spans and selection.spans[-1][1] == file.size)
        if file.number and to_the_end and not connection.head_only:
            connection.on_sent = (computer_id, file.package_id, file.number, file.size)
        self._send_file(connection, file, selection)

    def _send_file(self, connection: Connection, file: OpenFile, selection: http.Selection) -> None:
        lines, parts = answers.of_file(file, selection, head_only=connection.head_only)
        connection.out += self._status_lines(connection, selection.status) + lines
        connection.file, connection.parts = file, parts
        connection.next_part()  # so that the head is held back (MSG_MORE) for the file's first bytes
        connection.write()

    def answer(
        self,
        connection: Connection,
        status: int,
        content: bytes,
        fields: bytes = b"",
        kind: bytes = b"text/plain; charset=utf-8",
    ) -> None:
        """Send a short answer from memory."""
        lines = self._status_lines(connection, status) + fields
        if content:
            lines += b"Content-Type: %s\r\n" % kind
        shown = b"" if connection.head_only else content
        connection.out += b"%sContent-Length: %d\r\n\r\n%s" % (lines, len(content), shown)
        connection.write()

    def _status_lines(self, connection: Connection, status: int) -> bytes:
        lines = self._ok_lines if status == 200 else http.status_lines(status, self._second)
        if self.stopping or not connection.keep_alive:
            return lines + b"Connection: close\r\n"
        return lines + b"Connection: keep-alive\r\n" if connection.old else lines
