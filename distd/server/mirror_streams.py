"""The origin's event stream: each mirror that follows it hangs on one long answer.

    GET /api/v1/mirror/events?after=SEQ      Authorization: Bearer KEY

answers 200 with a chunked body of frames (`wire.mirror_events`):

    {"kind": "state", "seq": N, "packages": [[id, version, size_bytes, needed], …], "mirrors": ["host:port", …]}
    {"kind": "package", "seq": N, "packages": [[…]], "gone": [id, …], "wait_s": 0, "mirrors": […]}
    {"kind": "beat", "seq": N}

A state says everything, and comes first unless the mirror has followed until a moment ago; so however long it was away,
comparing is all that it has to do. `seq` only ever grows. A beat comes every 15 s.

It is served without hypercorn, and without a task: an epoll set tells of those who go. So an idle one costs little more
than its TLS.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import h11
import trio

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.domain.errors import Unavailable
from distd.origin.mirrors import mirrors as use_cases
from distd.wire import mirror_events

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.lane.streams import PlainStream, TlsStream
    from distd.origin.mirrors.mirrors import Wanted

    Stream = PlainStream | TlsStream
    Identity = tuple[int, str]

PATH: Final = b"/api/v1/mirror/events"
POLL_S: Final = 0.25
# A mirror that followed until so few events ago is told of what happened since; else it compares.
REPLAYED: Final = 1000
STATE_S: Final = 3600.0  # a mirror compares so often at least
COMING: Final = 8  # mirrors that are told what they need to know at once; the others wait: it takes memory
HEAD_BYTES: Final = 16_384
HEAD_S: Final = 10.0
SEND_S: Final = 30.0
WAITING_BYTES: Final = 33_554_432  # for a mirror that takes nothing; then it is cut off, and will compare
MOST_MIRRORS: Final = 2000

_OF_MIRRORS: Final = (
    Kind.MIRROR_ADDED,
    Kind.MIRROR_JOINED,
    Kind.MIRROR_REVOKED,
    Kind.MIRROR_RULES,
    Kind.MIRROR_CONNECTED,
    Kind.MIRROR_LOST,
    Kind.MIRROR_READY,
    Kind.MIRROR_GONE,
    Kind.ACTIVATION_PLANNED,
)
WATCHED: Final = (*event_log.OF_PACKAGES, *_OF_MIRRORS)

_OK: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.distd.events\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Waves:
    """So many mirrors at once begin to fetch what is new; the next ones so much later."""

    size: int
    pause_s: int

    def wait_s(self, place: int) -> int:
        return place // self.size * self.pause_s


@dataclass(eq=False, slots=True)
class _Follower:
    mirror: Identity
    stream: Stream
    told_s: float  # when it was last told everything
    waiting: list[bytes] = field(default_factory=list)
    sending: bool = False


class Followers:
    """The mirrors that follow this process. Other workers have theirs; the catalogue is what they share."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        waves: Waves,
        log: logging.Logger,
        changed: Callable[[], None],
        addresses: tuple[str, str],
    ) -> None:
        """`addresses`: the "host:port" of this server's HTTP and HTTPS, as mirrors reach it.

        `changed()` is called when something happened to mirrors or packages, and now and then.
        """
        self._reader = reader
        self._writer = writer
        self._waves = waves
        self._log = log
        self._changed = changed
        self._addresses = dict(zip(("http", "https"), addresses, strict=True))
        self._followers: dict[int, _Follower] = {}  # by descriptor
        self._epoll = select.epoll()
        self._door = trio.CapacityLimiter(COMING)
        self._seq = 0
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        return len(self._followers)

    async def run(self) -> None:
        """Tell mirrors what happens, for ever."""
        self._seq = await self._reader.run(event_log.newest)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._watch)
                beat_s = trio.current_time()
                while True:
                    await trio.sleep(POLL_S)
                    try:
                        await self._look()
                        if trio.current_time() - beat_s >= use_cases.BEAT_S:
                            beat_s = trio.current_time()
                            await self._beat()
                    except Unavailable as error:
                        self._log.warning("mirrors are not told: %s", error)
        finally:
            self._nursery = None
            gone = [self._remove(follower).mirror for follower in list(self._followers.values())]
            self._epoll.close()
            with trio.move_on_after(2, shield=True):
                for mirror in gone:
                    await self._note_lost(mirror)

    def take(self, stream: Stream) -> None:
        """Serve a stream on which a request for `PATH` is coming, to its end."""
        if self._nursery is None or len(self._followers) >= MOST_MIRRORS:
            stream.socket.close()
        else:
            self._nursery.start_soon(self._serve, stream)

    # --- a mirror comes, and goes ------------------------------------------------------------------------------------

    async def _serve(self, stream: Stream) -> None:
        """Until it is told what it needs to know: what comes later needs no task of its own."""
        follower = None
        try:
            async with self._door:
                with trio.fail_after(HEAD_S):
                    after, key = await _read_request(stream)
                    mirror = await self._reader.run(partial(use_cases.identify, key=key))
                    if mirror is None:
                        await _refuse(stream, 401, "expected the key of a mirror; `redistrib join` gives one")
                        return
                    await stream.send_all(_OK)
                    # First in line, then told: nothing falls between. What comes twice does no harm.
                    follower = self._add(mirror, stream)
                    await self._writer.run(partial(use_cases.connected, mirror=mirror, now_s=time.time()))
                    self._tell(follower, await self._reader.run(partial(_welcome, after=after)))
                    self._log.info("mirror %s follows", mirror[1])
        except h11.RemoteProtocolError as error:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await _refuse(stream, 400, str(error))
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError, Unavailable) as error:
            self._log.warning("a mirror came and could not be told: %s", error)
            if follower is not None:
                self._leave(follower)
        finally:
            if follower is None:
                stream.socket.close()

    def _add(self, mirror: Identity, stream: Stream) -> _Follower:
        follower = _Follower(mirror, stream, trio.current_time())
        self._followers[stream.socket.fileno()] = follower
        self._epoll.register(stream.socket.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
        return follower

    async def _watch(self) -> None:
        """A mirror says nothing more once it follows: whoever is heard of has gone."""
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for fd, _ in self._epoll.poll(0):
                self._leave(self._followers[fd])

    def _remove(self, follower: _Follower) -> _Follower:
        fd = follower.stream.socket.fileno()
        del self._followers[fd]
        self._epoll.unregister(fd)
        follower.stream.socket.close()
        self._log.info("mirror %s has gone", follower.mirror[1])
        return follower

    def _leave(self, follower: _Follower) -> None:
        if self._followers.get(follower.stream.socket.fileno()) is follower:
            self._remove(follower)
            if self._nursery is not None:
                self._nursery.start_soon(self._note_lost, follower.mirror)

    async def _note_lost(self, mirror: Identity) -> None:
        if any(other.mirror == mirror for other in self._followers.values()):
            return  # it has come back by another connection
        try:
            await self._writer.run(partial(use_cases.lost, mirror=mirror, now_s=time.time()))
        except Unavailable as error:
            self._log.warning("mirror %s: %s", mirror[1], error)

    # --- something happens -------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        found = await self._reader.run(partial(event_log.since, seq=self._seq, limit=REPLAYED, kinds=WATCHED))
        if not found:
            return
        self._seq = found[-1].seq
        self._changed()
        for event in found:
            if event.kind is Kind.MIRROR_REVOKED:
                self._drop(event.detail.get("mirror", ""))
        touched = {event.package_id for event in found if event.kind in event_log.OF_PACKAGES and event.package_id}
        if touched and self._followers:
            message = await self._reader.run(partial(_changes, touched=touched, seq=self._seq))
            for place, follower in enumerate(list(self._followers.values())):
                self._tell(follower, message | {"wait_s": self._waves.wait_s(place)})

    async def _beat(self) -> None:
        self._changed()
        if not self._followers:
            return
        ids = sorted({follower.mirror[0] for follower in self._followers.values()})
        await self._writer.run(partial(use_cases.beat, mirror_ids=ids, now_s=time.time()))
        newest = await self._reader.run(event_log.newest)
        now_s = trio.current_time()
        state: mirror_events.Message | None = None
        for follower in list(self._followers.values()):
            if now_s - follower.told_s > STATE_S:
                follower.told_s = now_s
                if state is None:
                    state = await self._reader.run(partial(_welcome, after=0))
                self._tell(follower, state)
            else:
                self._tell(follower, {"kind": "beat", "seq": newest})

    def _drop(self, name: str) -> None:
        for follower in [one for one in self._followers.values() if one.mirror[1] == name]:
            self._leave(follower)

    def _tell(self, follower: _Follower, message: mirror_events.Message) -> None:
        frame = mirror_events.encode(message if message["kind"] == "beat" else message | self._addresses)
        follower.waiting.append(b"%x\r\n%s\r\n" % (len(frame), frame))
        if sum(map(len, follower.waiting)) > WAITING_BYTES:
            self._leave(follower)
        elif not follower.sending and self._nursery is not None:
            self._send_now(follower, self._nursery)

    def _send_now(self, follower: _Follower, nursery: trio.Nursery) -> None:
        """Without a task, unless the kernel does not take it all: two hundred at once would cost megabytes."""
        data, follower.waiting = b"".join(follower.waiting), []
        try:
            rest = follower.stream.send_nowait(data)
        except trio.BrokenResourceError:
            self._leave(follower)
            return
        if rest or follower.stream.unsent:
            follower.waiting, follower.sending = [rest], True
            nursery.start_soon(self._send, follower)

    async def _send(self, follower: _Follower) -> None:
        try:
            while follower.waiting:
                data, follower.waiting = b"".join(follower.waiting), []
                with trio.fail_after(SEND_S):
                    await follower.stream.send_all(data)
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._leave(follower)
        finally:
            follower.sending = False


def _welcome(conn: Connection, after: int) -> mirror_events.Message:
    """What one that has done all events up to `after` needs to know; 0: everything."""
    newest = event_log.newest(conn)
    if 0 < after <= newest and newest - after <= REPLAYED and event_log.oldest(conn) <= after + 1:
        found = event_log.since(conn, after, REPLAYED, event_log.OF_PACKAGES)
        return _changes(conn, {event.package_id for event in found if event.package_id}, newest) | {"wait_s": 0}
    return {
        "kind": "state",
        "seq": newest,
        "packages": _rows(use_cases.wanted(conn)),
        "mirrors": use_cases.on_the_line(conn, time.time()),
    }


def _changes(conn: Connection, touched: set[str], seq: int) -> mirror_events.Message:
    there = [one for one in use_cases.wanted(conn) if one.package_id in touched]
    gone = sorted(touched - {one.package_id for one in there})
    return {
        "kind": "package",
        "seq": seq,
        "packages": _rows(there),
        "gone": gone,
        "mirrors": use_cases.on_the_line(conn, time.time()),
    }


def _rows(wanted: Iterable[Wanted]) -> list[list[Any]]:
    return [[one.package_id, one.version, one.size_bytes, one.needed] for one in wanted]


# --- the little of HTTP that it takes --------------------------------------------------------------------------------


async def _read_request(stream: Stream) -> tuple[int, str]:
    """Since when, and the key. Raises `h11.RemoteProtocolError`, `BrokenResourceError`."""
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
    while not isinstance(event := http.next_event(), h11.Request):
        data = await stream.receive_some(HEAD_BYTES)
        if not data:
            raise trio.BrokenResourceError("it went before its request came")
        http.receive_data(data)
    text = parse_qs(urlsplit(event.target.decode("ascii")).query).get("after", ["0"])[0]
    after = int(text) if text.isdecimal() and len(text) < 19 else 0
    given = dict(event.headers).get(b"authorization", b"")
    return after, bytes(given).removeprefix(b"Bearer ").decode("latin-1") if given.startswith(b"Bearer ") else ""


async def _refuse(stream: Stream, status: int, why: str) -> None:
    body = f"{why}\n".encode()
    reason = {400: b"Bad Request", 401: b"Unauthorized"}[status]
    head = b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, reason, len(body))
    await stream.send_all(head + body)
