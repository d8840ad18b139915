"""The state of one peer: requests are cut out of what it sends, and answered in their order.

Nothing here waits. A callback takes what is there, sends what the kernel takes, and says by the connection's interest
in the reactor's set what it wants to be woken for. `deadline_s` is the end of the wait that it is in.
"""

from __future__ import annotations

import ssl
from enum import IntEnum
from select import EPOLLIN, EPOLLOUT
from typing import TYPE_CHECKING, Final

from distd.lane import answers
from distd.lane.pacer import TURN_BYTES
from distd.lane.request_body import RequestBody
from distd.lane.responder import Request, is_own
from distd.lane.streams import open_stream
from distd.wire import http, problem
from distd.wire.http import HeadError, parse_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.answers import Answer, Delivery
    from distd.lane.file_cache import OpenFile
    from distd.lane.pacer import Bucket, Pacer
    from distd.lane.reactor import Reactor
    from distd.lane.responder import Responder
    from distd.lane.transport import Transport
    from distd.lane.turn import Turn
    from distd.wire.http import Head

# The minimum transfer rate. A peer that takes less is ended after a while, however regularly it takes it: bytes count
# as so much time, and at most as `idle_timeout_s`.
MIN_TRANSFER_BYTES_PER_S: Final = 1024
TURN_REQUESTS: Final = 4  # of one connection that pipelines, are answered in a turn
# The lingering close (RFC 9112, 9.6): for so long what still comes is thrown away, lest a reset overtake the answer.
LINGER_S: Final = 2.0


class State(IntEnum):
    """What a connection is at."""

    IDLE = 0  # nothing of a request has come
    HEAD = 1  # a part of a head has come
    BODY = 2  # the head has come, the body not yet
    WAITING = 3  # the backend prepares the answer
    WRITING = 4  # the answer is being sent, as fast as the peer takes it
    LINGERING = 5  # the last answer is out; what still comes is thrown away
    ENDED = 6  # closed, or handed over


# Names of this module are found quicker than members of an enumeration.
IDLE: Final = State.IDLE
WRITING: Final = State.WRITING
_OPEN_TO_REQUESTS: Final = (State.IDLE, State.HEAD)


class Connection:
    """`buffer` is what has come and is not yet served. `is_http10`: its request is of HTTP/1.0."""

    __slots__ = (
        "_on_end",
        "_pacer",
        "_reactor",
        "_responder",
        "_turn",
        "address",
        "body",
        "buckets",
        "buffer",
        "deadline_s",
        "delivery",
        "head_only",
        "interest",
        "is_http10",
        "keep_alive",
        "paused",
        "state",
        "transport",
    )

    def __init__(
        self,
        transport: Transport,
        address: str,
        turn: Turn,
        reactor: Reactor,
        pacer: Pacer,
        responder: Responder,
        on_end: Callable[[Connection], None],
    ) -> None:
        """`on_end` is called once, when it is closed or handed over."""
        self._turn = turn
        self._reactor = reactor
        self._pacer = pacer
        self._responder = responder
        self._on_end = on_end
        self.transport = transport
        self.address = address
        self.state = State.IDLE
        self.deadline_s = turn.now_s + turn.limits.head_timeout_s
        self.buffer = b""
        self.body: RequestBody | None = None
        self.keep_alive = True
        self.is_http10 = False
        self.head_only = False
        self.delivery: Delivery | None = None
        self.buckets: tuple[Bucket, ...] = ()  # the limits of bandwidth that it has a share in
        self.paused: Bucket | None = None  # the one that it waits for
        pacer.assign(self)
        self.interest = EPOLLIN
        reactor.add(transport.fd, self, EPOLLIN)

    def ready(self, mask: int) -> None:
        """Something can be done. Which event it was does not matter: the calls themselves tell."""
        try:
            if self.paused is not None:
                self.transport.check()  # it asked for no event: this one is from before, or the connection has broken
            elif self.state is WRITING:
                self.write()
            else:
                self._read()
            if self.buffer and self.state in _OPEN_TO_REQUESTS:
                self._advance()
        except Exception as error:
            self._fail(error)

    def resume(self, waited_s: float) -> None:
        """As `pacer.Sender` has it. This wait was none of the peer's."""
        self.deadline_s += waited_s
        self.ready(0)

    def expire(self) -> None:
        """The deadline has passed. A half-come request gets an answer, anything else just ends."""
        try:
            if self.state in (State.HEAD, State.BODY):
                self._refuse(408, "the request did not come in time")
            elif self.state is not State.WAITING and self.paused is None:
                self.close()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End it after a fault: the peer's are expected, and ours must not end more than this connection."""
        if isinstance(error, ssl.SSLError):
            self._turn.log.info("%s: TLS: %s", self.address, error.reason or error)
        elif not isinstance(error, OSError):
            self._turn.log.exception("internal error while serving a connection; it is closed")
        elif not isinstance(error, ConnectionError | TimeoutError):
            self._turn.log.error("%s: %s", self.address, error)
        self.close()

    def _read(self) -> None:
        data = self.transport.receive()
        if data is None or self.state is State.LINGERING:
            if data == b"":
                self.close()
        elif not data and self.state is State.WAITING:
            # A peer that shuts its sending side down may still want the answer that is being prepared.
            self.keep_alive = False
            self._set_interest(0)
        elif not data:
            self.close()
        elif self.state is State.BODY:
            assert self.body is not None
            self._take_body(self.body, data)
        else:
            self.buffer += data
            if self.state is State.WAITING:
                # Pipelined behind a request that is being answered: kept, and no more is read until then.
                self._set_interest(0)

    def _advance(self) -> None:
        """Serve the requests that stand complete in the buffer, as long as each can be answered at once."""
        turn = self._turn
        for _ in range(TURN_REQUESTS):
            end = self.buffer.find(b"\r\n\r\n")
            if turn.addresses is not None and end >= 0 and not turn.addresses.request(self.address, turn.now_s):
                turn.counts.refused["heads_per_s_per_address"] += 1
                self._refuse(429, "too many requests from this address", b"Retry-After: 1\r\n")
                return
            found = self._responder.match_fast_path(self.buffer, end)
            if found is not None:
                self._send_fast_path(found[0], found[1], end + 4)
            else:
                self._serve_next(end)
            if end < 0 or not self.buffer or self.state not in _OPEN_TO_REQUESTS:
                return
        self._reactor.at(turn.now_s, self._go_on)

    def _go_on(self) -> None:
        """Serve what stands in the buffer, after the others have had their turn."""
        if self.state is not State.ENDED:
            self.ready(0)

    def _serve_next(self, end: int) -> None:
        """Serve the request whose head ends at `end`, whatever it is; -1: wait for the rest of it."""
        limit = self._turn.limits.head_bytes
        if self.buffer.startswith(b"\r\n"):
            self.buffer = http.without_empty_lines(self.buffer)
            end = self.buffer.find(b"\r\n\r\n")
        if end > limit or (end < 0 and len(self.buffer) > limit):
            self._refuse(431, f"head of a request: expected at most {limit} bytes")
        elif end >= 0:
            self._serve_head(end + 4)
        elif self.buffer:
            self._await_head()

    def _await_head(self) -> None:
        """The head's time runs from its first byte, however slowly the others drip."""
        if b"\n\n" in self.buffer:
            self._refuse(400, "line ends: expected CRLF")
        elif self.state is State.IDLE:
            self.state = State.HEAD
            self.deadline_s = self._turn.now_s + self._turn.limits.head_timeout_s

    def _serve_head(self, length: int) -> None:
        raw, self.buffer = self.buffer[:length], self.buffer[length:]
        self.state = State.IDLE
        self.head_only = False
        try:
            head = parse_head(raw[:-4])
            self.keep_alive = head.fields.keep_alive
            self._dispatch(head, raw)
        except HeadError as error:
            self._refuse(error.status, error.why, head=raw)

    def _dispatch(self, head: Head, raw: bytes) -> None:
        """Serve a request, wait for its body, or hand the connection over. Raises `HeadError`."""
        self.is_http10 = head.minor == 0
        self.head_only = head.method == b"HEAD"
        path = http.path_of(head.target)
        if not is_own(path):
            self._hand_over(raw, path)
        elif head.fields.transfer_encoding:
            # Agents send lengths. A chunked body would have to be parsed only to be thrown away.
            raise HeadError(411, "a Content-Length is required")
        elif head.fields.content_length:
            self._collect_body(head, head.fields.content_length)
        else:
            self._serve(head, b"")

    def _collect_body(self, head: Head, length: int) -> None:
        """Gather a body of `length` bytes; then the request is served."""
        body = RequestBody(head, length, self.address, self._turn)
        if head.fields.expect is not None:
            if head.fields.expect.lower() != b"100-continue":
                raise HeadError(417, "Expect: expected 100-continue")
            self.transport.pending = b"HTTP/1.1 100 Continue\r\n\r\n"
            self.transport.transmit(TURN_BYTES)  # what the peer does not take now goes before the answer
        self.state = State.BODY
        self.body = body
        data, self.buffer = self.buffer, b""
        self._take_body(body, data)

    def _take_body(self, body: RequestBody, data: bytes) -> None:
        try:
            self.buffer = body.take(data)
        except HeadError as error:
            self._refuse(error.status, error.why)
            return
        self.deadline_s = body.deadline_s()
        if not body.left_bytes:
            self._serve(body.head, body.whole())

    def _serve(self, head: Head, body: bytes) -> None:
        """A whole request of the responder's is here: answer it at once, or wait for `_reply`."""
        self.state = State.WAITING
        request = Request(head, http.path_of(head.target), body, self.address, self.transport.scheme)
        answer = self._responder.respond(request, self._reply)
        if answer is not None:
            self.state = IDLE
            self._send(answer)

    def _reply(self, answer: Answer) -> None:
        """The answer that was waited for; if the connection has ended meanwhile, nobody wants it."""
        if self.state is not State.WAITING:
            return
        self.state = IDLE
        try:
            self._send(answer)
            if self.buffer and self.state is IDLE:
                self._advance()
        except Exception as error:
            self._fail(error)

    def _send_fast_path(self, file: OpenFile, computer_id: int, length: int) -> None:
        """Answer the common request, whose head is the first `length` bytes of the buffer, with a whole file."""
        turn, transport = self._turn, self.transport
        turn.counts.statuses[200] += 1
        self.buffer = self.buffer[length:]
        self.keep_alive = True
        self.is_http10 = self.head_only = False
        transport.pending += turn.ok_lines + file.fields
        if not file.in_memory:
            transport.file = file
            transport.offset = 0
            transport.file_left_bytes = file.size
        if file.number:
            self.delivery = (computer_id, file.package_id, file.number, file.size)
        self.write()

    def _send(self, answer: Answer) -> None:
        transport = self.transport
        closes = self._turn.stopping or not self.keep_alive
        field = b"Connection: close\r\n" if closes else b"Connection: keep-alive\r\n" if self.is_http10 else b""
        transport.pending += self._turn.status_lines(answer.status) + field + answer.lines
        transport.file, transport.parts = answer.file, answer.parts
        transport.next_part()  # so that the head is held back (MSG_MORE) for the file's first bytes
        self.delivery = answer.delivery
        self.write()

    def write(self) -> None:
        """Send on, and when all is sent be ready for the next request."""
        transport = self.transport
        budget_bytes = self._pacer.allowance(self) if self.buckets else TURN_BYTES
        done = budget_bytes > 0 and transport.transmit(budget_bytes)
        sent_bytes, transport.sent = transport.sent, 0
        self._turn.counts.sent_bytes += sent_bytes
        for bucket in self.buckets:
            bucket.spend(sent_bytes)
        if done:
            self._finish()
            return
        if self.state is not WRITING:
            self.state = WRITING
            self.deadline_s = self._turn.idle_deadline_s
        self.extend_deadline(sent_bytes)
        self._set_interest(0 if self.paused else EPOLLOUT)

    def extend_deadline(self, sent_bytes: int) -> None:
        """Bytes sent are worth some time more, but no more than an idle connection has."""
        self.deadline_s = min(self.deadline_s + sent_bytes / MIN_TRANSFER_BYTES_PER_S, self._turn.idle_deadline_s)

    def _finish(self) -> None:
        """The answer is out."""
        self.transport.file = None
        if self.body is not None:
            self.body.close()
            self.body = None
        if self.delivery is not None:
            self._responder.fetched(*self.delivery, self.address)
            self.delivery = None
        if not self.keep_alive or self._turn.stopping:
            self._linger()
        else:
            self.state = IDLE
            if self.interest != EPOLLIN:
                self._set_interest(EPOLLIN)
            self.deadline_s = self._turn.idle_deadline_s

    def _refuse(self, status: int, why: str, fields: bytes = b"", head: bytes = b"") -> None:
        """Answer a request after which the connection cannot go on, since what follows may be anything."""
        self._turn.log.warning("%s: %d %s", self.address, status, why)
        self._end_with(status, why, fields, head)

    def _end_with(self, status: int, why: str, fields: bytes, head: bytes) -> None:
        for_api = problem.is_for_api(head or self.buffer)
        self.keep_alive, self.buffer = False, b""
        self._send(answers.of_refusal(status, why, fields, for_api=for_api, head_only=self.head_only))

    def _linger(self) -> None:
        self.state = State.LINGERING
        self.deadline_s = self._turn.now_s + LINGER_S
        self.transport.end_output()
        self._set_interest(EPOLLIN)

    def _hand_over(self, raw: bytes, path: bytes) -> None:
        if (refusal := self._responder.refusal(path, self.address)) is not None:
            self._end_with(*refusal, head=raw)  # it is counted; a line of the log would cost as much as this
            return
        turn, replay = self._turn, http.for_another_server(raw) + self.buffer
        turn.counts.handed_over += 1
        on_close = turn.keep_counting(self.address)  # `_detach` counts it out
        self._detach()
        stream = open_stream(self.transport, replay, turn.limits.idle_timeout_s, self.address, on_close)
        self._responder.hand_over(stream, path)

    def close(self) -> None:
        """End it, unless it has ended."""
        if self.state is not State.ENDED:
            self._detach()
            self.transport.close()

    def _detach(self) -> None:
        self.state = State.ENDED
        self.transport.file = None
        self._pacer.forget(self)
        if self.body is not None:
            self.body.close()
            self.body = None
        self._reactor.remove(self.transport.fd)
        self._on_end(self)

    def _set_interest(self, interest: int) -> None:
        if interest != self.interest:
            self._reactor.modify(self.transport.fd, interest)
            self.interest = interest
