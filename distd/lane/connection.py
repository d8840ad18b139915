"""One agent's connection: a small object with callbacks, driven by the lane's epoll set.

Nothing here waits. A callback takes what is there, sends what the kernel takes, and says by the connection's
interest in the epoll set what it wants to be woken for. `deadline_s` is the end of the wait that it is in.
"""

from __future__ import annotations

import contextlib
import os
from enum import IntEnum
from select import EPOLLIN, EPOLLOUT
from socket import MSG_MORE, MSG_PEEK, SHUT_WR
from typing import TYPE_CHECKING, Final

from distd.wire.http import HeadError, parse_head

if TYPE_CHECKING:
    import socket

    from distd.lane.file_cache import OpenFile
    from distd.lane.pacer import Bucket
    from distd.lane.server import Lane
    from distd.wire.http import Head

RECEIVE_BYTES: Final = 65_536
# What one connection may send in a turn before the others get theirs.
TURN_BYTES: Final = 1_048_576
# A larger file is copied through a buffer of this size, which stays in the processor's cache: what sendfile() lends the
# socket has left it again before the peer reads.
LENT_BYTES: Final = 4_194_304
COPY_BYTES: Final = 262_144
# Who takes less for long is ended, however regularly it takes it: what a pause of `idle_timeout_s` would be counts on.
SLOWEST_BYTES_PER_S: Final = 1024
# Requests of one connection that are answered in a turn, when it pipelines.
TURN_REQUESTS: Final = 16
# The slowest pace at which a body may come in, beyond `head_timeout_s`.
BODY_BYTES_PER_S: Final = 10_000
# After an error: for how long what still comes is thrown away, so that no reset overtakes the answer.
LINGER_S: Final = 2.0


class State(IntEnum):
    IDLE = 0  # nothing of a request has come
    HEAD = 1  # a part of a head has come
    BODY = 2  # the head has come, the body not yet
    WAITING = 3  # somebody else prepares the answer
    WRITING = 4  # the peer takes its time
    LINGERING = 5  # answered for good
    GONE = 6  # closed, or handed over


# Names of this module are found quicker than members of an enumeration.
IDLE: Final = State.IDLE
WRITING: Final = State.WRITING
_OPEN_TO_REQUESTS: Final = (State.IDLE, State.HEAD)


class Connection:
    """A plain connection; `TlsConnection` differs in how bytes are received and transmitted.

    What is still to be sent: `out`, then `left` bytes of `file` from `offset`, then `parts`, the last one first.
    `held_bytes` is this connection's share of the memory that bodies may take in all.
    """

    __slots__ = (
        "address",
        "body",
        "body_end_s",
        "body_left",
        "buckets",
        "buffer",
        "deadline_s",
        "fd",
        "file",
        "head",
        "head_only",
        "held_bytes",
        "interest",
        "keep_alive",
        "lane",
        "left",
        "lingers",
        "offset",
        "old",
        "on_sent",
        "out",
        "parts",
        "paused",
        "sock",
        "state",
    )
    scheme = "http"

    def __init__(self, lane: Lane, sock: socket.socket, address: str) -> None:
        self.lane = lane
        self.sock = sock
        self.fd = sock.fileno()
        self.address = address
        self.state = State.IDLE
        self.interest = EPOLLIN
        self.deadline_s = lane.now_s + lane.limits.head_timeout_s
        self.buffer = b""
        self.head: Head | None = None
        self.body: bytearray | None = None
        self.body_left = 0
        self.body_end_s = 0.0
        self.held_bytes = 0
        self.keep_alive = True
        self.old = False  # HTTP/1.0
        self.head_only = False
        self.lingers = False
        self.out = b""
        self.file: OpenFile | None = None
        self.offset = 0
        self.left = 0
        self.parts: list[bytes | tuple[int, int]] | None = None
        self.on_sent: tuple[int, str, int, int] | None = None
        self.buckets: tuple[Bucket, ...] = ()  # the limits of bandwidth that it has a share in
        self.paused: Bucket | None = None  # the one that it waits for

    # --- what epoll says -----------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Something can be done. Which event it was does not matter: the calls themselves tell."""
        try:
            if self.paused is not None:
                self.look()
            elif self.state is WRITING:
                self.write()
            else:
                self.read()
            if self.buffer and self.state in _OPEN_TO_REQUESTS:
                self.advance()
        except OSError as error:
            if not isinstance(error, ConnectionError | TimeoutError):
                self.lane.log.error("%s: %s", self.address, error)
            self.close()

    def look(self) -> None:
        """It is paused, and asked for no event: this one is from before, or the connection has broken."""
        with contextlib.suppress(BlockingIOError):
            self.sock.recv(1, MSG_PEEK)  # raises the break

    def read(self) -> None:
        data = self.receive()
        if data is None or self.state is State.LINGERING:
            if data == b"":
                self.close()
        elif not data:
            self.end_of_input()
        elif self.state is State.BODY:
            self.take_body(data)
        else:
            self.buffer += data
            if self.state is State.WAITING:
                # Pipelined behind a POST that is being answered: kept, and no more is read until then.
                self.want(0)

    def receive(self) -> bytes | None:
        """What came, b"" at the end, None when there is nothing now."""
        try:
            return self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None

    def end_of_input(self) -> None:
        # A peer that shuts its sending side down may still want the answer that is being prepared.
        if self.state is State.WAITING:
            self.keep_alive = False
            self.want(0)
        else:
            self.close()

    # --- requests in ---------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Serve the requests that stand complete in the buffer, as long as each can be answered at once."""
        lane = self.lane
        for _ in range(TURN_REQUESTS):
            end = self.buffer.find(b"\r\n\r\n")
            if lane.visitors is not None and end >= 0 and not lane.visitors.may_ask(self.address, lane.now_s):
                lane.counts.refused["heads_per_s_per_address"] += 1
                self.refuse(429, "too many requests from this address", b"Retry-After: 1\r\n")
                return
            if not lane.service.serve_common(self, end):
                self.serve_next(end)
            if end < 0 or not self.buffer or self.state not in _OPEN_TO_REQUESTS:
                return
        lane.again(self)

    def serve_next(self, end: int) -> None:
        """Serve the request whose head ends at `end`, whatever it is; -1: wait for the rest of it."""
        limit = self.lane.limits.head_bytes
        if end > limit or (end < 0 and len(self.buffer) > limit):
            self.refuse(431, f"head of a request: expected at most {limit} bytes")
        elif end < 0:
            self.await_head()
        else:
            self.serve_head(end + 4)

    def await_head(self) -> None:
        """The head's time runs from its first byte, however slowly the others drip."""
        if b"\n\n" in self.buffer:
            self.refuse(400, "line ends: expected CRLF")
        elif self.state is State.IDLE and self.buffer != b"\r\n":
            self.state = State.HEAD
            self.deadline_s = self.lane.now_s + self.lane.limits.head_timeout_s

    def serve_head(self, length: int) -> None:
        raw, self.buffer = self.buffer[:length], self.buffer[length:]
        self.state = State.IDLE
        try:
            # An empty line before a request is to be overlooked (RFC 9112, 2.2).
            head = parse_head(raw[2:-4] if raw.startswith(b"\r\n") else raw[:-4])
            self.keep_alive = head.fields.keep_alive
            self.lane.service.dispatch(self, head, raw)
        except HeadError as error:
            self.refuse(error.status, error.why)

    def collect_body(self, head: Head, length: int) -> None:
        """Gather a body of `length` bytes; then the lane gets the request again."""
        limits = self.lane.limits
        if length > limits.body_bytes:
            raise HeadError(413, f"body of a request: expected at most {limits.body_bytes} bytes, got {length}")
        if head.fields.expect is not None:
            if head.fields.expect.lower() != b"100-continue":
                raise HeadError(417, "Expect: expected 100-continue")
            self.out = b"HTTP/1.1 100 Continue\r\n\r\n"
            self.transmit(TURN_BYTES)  # what the peer does not take now goes before the answer
        self.state = State.BODY
        self.head = head
        self.body = bytearray()
        self.body_left = length
        self.body_end_s = self.lane.now_s + limits.head_timeout_s + length / BODY_BYTES_PER_S
        data, self.buffer = self.buffer, b""
        self.take_body(data)

    def take_body(self, data: bytes) -> None:
        assert self.body is not None
        assert self.head is not None
        if len(data) > self.body_left:
            self.buffer = data[self.body_left :]
            data = data[: self.body_left]
        if not self.lane.hold(self, len(data)):
            self.refuse(503, "too many requests are waiting")
            return
        self.body += data
        self.body_left -= len(data)
        # It must keep coming, and it must come to an end.
        self.deadline_s = min(self.body_end_s, self.lane.now_s + self.lane.limits.head_timeout_s)
        if self.body_left == 0:
            head, body = self.head, bytes(self.body)
            self.head = self.body = None
            self.state = State.IDLE
            self.lane.service.serve(self, head, body)

    # --- answers out ---------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Send on, and when all is sent be ready for the next request."""
        if self.lane.pacer.transmit(self) if self.buckets else self.transmit(TURN_BYTES):
            self.finish()
        elif self.state is not State.GONE:
            if self.state is not WRITING:
                self.state = WRITING
                self.deadline_s = self.lane.idle_deadline_s
            self.want(0 if self.paused else EPOLLOUT)

    def transmit(self, budget_bytes: int) -> bool:
        """True: all is sent. False: the peer is full, or the budget is used up."""
        try:
            while self.out or self.left or self.next_part():
                if budget_bytes <= 0:
                    return False
                if self.out:
                    sent = self.sock.send(self.out[:budget_bytes], MSG_MORE if self.left else 0)
                    self.out = self.out[sent:]
                else:
                    sent = self.send_file(min(self.left, budget_bytes))
                    self.offset += sent
                    self.left -= sent
                if not sent:
                    return self.cut_short()
                budget_bytes -= sent
                self.progress(sent)
            return True
        except BlockingIOError:
            return False

    def send_file(self, most_bytes: int) -> int:
        """Send up to so many bytes of the file from the offset; 0 at its end."""
        assert self.file is not None
        if self.file.size <= LENT_BYTES:
            return os.sendfile(self.fd, self.file.fd, self.offset, most_bytes)
        scratch = self.lane.scratch
        size = os.preadv(self.file.fd, [scratch[:most_bytes]], self.offset)
        return self.sock.send(scratch[:size])

    def progress(self, sent_bytes: int) -> None:
        """Bytes have left. Each is worth some time more, but no more than an idle connection has."""
        self.lane.counts.sent_bytes += sent_bytes
        self.deadline_s = min(self.deadline_s + sent_bytes / SLOWEST_BYTES_PER_S, self.lane.idle_deadline_s)
        for bucket in self.buckets:
            bucket.spend(sent_bytes)

    def next_part(self) -> bool:
        """Make the next part the one to be sent: bytes go behind `out`. False: there is none."""
        if not self.parts:
            return False
        part = self.parts.pop()
        if isinstance(part, bytes):
            self.out += part
        else:
            self.offset, stop = part
            self.left = stop - self.offset
        return True

    def cut_short(self) -> bool:
        """The file is shorter than promised: the only honest end is to break the connection."""
        self.lane.log.error("%s: a file shrank while it was being sent", self.address)
        self.close()
        return False

    def finish(self) -> None:
        """The answer is out."""
        self.file = None
        if self.held_bytes:
            self.lane.release(self)
        if self.on_sent is not None:
            self.lane.site.fetched(*self.on_sent, self.address)
            self.on_sent = None
        if self.lingers:
            self.linger()
        elif not self.keep_alive or self.lane.stopping:
            self.close()
        else:
            self.state = IDLE
            if self.interest != EPOLLIN:
                self.want(EPOLLIN)
            self.deadline_s = self.lane.idle_deadline_s

    def refuse(self, status: int, why: str, fields: bytes = b"") -> None:
        """Answer a request after which the connection cannot go on, since what follows may be anything."""
        self.lane.log.warning("%s: %d %s", self.address, status, why)
        self.keep_alive = False
        self.lingers = True
        self.buffer = b""
        self.head = self.body = None
        self.lane.service.answer(self, status, why.encode() + b"\n", fields)

    def linger(self) -> None:
        self.state = State.LINGERING
        self.deadline_s = self.lane.now_s + LINGER_S
        self.end_output()
        self.want(EPOLLIN)

    def end_output(self) -> None:
        self.sock.shutdown(SHUT_WR)

    # --- the end -------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """The deadline has passed. A half-come request gets an answer, anything else just ends."""
        try:
            if self.state in (State.HEAD, State.BODY):
                self.refuse(408, "the request did not come in time")
            elif self.state is not State.WAITING and self.paused is None:
                self.close()
        except OSError:
            self.close()

    def want(self, interest: int) -> None:
        if interest != self.interest:
            self.lane.epoll.modify(self.fd, interest)
            self.interest = interest

    def close(self) -> None:
        if self.state is not State.GONE:
            self.lane.forget(self)
            self.sock.close()
