"""The event stream to mirrors: each mirror that follows it has one long answer open.

    GET /api/v1/mirror/events?after=SEQ      Authorization: Sealed … (`storage.sealing`), or Bearer KEY

answers 200 with a chunked body of frames (`wire.mirror_events`) with the messages of `server.mirror_messages`. The
first one is a state, unless the mirror has followed until a moment ago: however long it was away, it only has to
compare. A heartbeat comes every 15 s.

The stream is served without hypercorn and without a task for each mirror: an epoll set reports those that disconnect.
So an idle mirror costs little more than its TLS.
"""

from __future__ import annotations

import math
import select
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import h11
import trio
from msgspec import structs

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.outage import warn
from distd.domain.errors import Unavailable
from distd.lane.refusal import is_private, refuse
from distd.origin.mirrors import identity, presence
from distd.server import mirror_messages, mirror_requests
from distd.wire import mirror_events
from distd.wire.mirror_events import Heartbeat

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from distd.catalogue.event_log import Event as LoggedEvent
    from distd.catalogue.event_watch import EventWatch
    from distd.catalogue.writer import Writer
    from distd.lane.streams import PlainStream, TlsStream
    from distd.origin.mirrors.identity import MirrorIdentity
    from distd.server.mirror_messages import Waves
    from distd.storage.sealing import OriginKey
    from distd.wire.mirror_events import Event

    Stream = PlainStream | TlsStream

PATH: Final = b"/api/v1/mirror/events"
LOOK_S: Final = 0.25  # heartbeats are looked for so often; events come at once
RETRY_S: Final = 0.25  # after the catalogue did not answer
STATE_S: Final = 3600.0  # a mirror is sent the state so often at least
MAX_MIRRORS: Final = 2000
MAX_PENDING_HANDSHAKES: Final = 8  # mirrors that get their first message at the same time: it takes memory
HANDSHAKE_TIMEOUT_S: Final = 10.0
SEND_TIMEOUT_S: Final = 30.0
MAX_UNSENT_BYTES: Final = 33_554_432  # a mirror that has more to take is disconnected; it compares when it is back
CLOSE_TIMEOUT_S: Final = 2.0

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


@dataclass(eq=False, slots=True)
class _Follower:
    """A mirror that follows. `unsent` are frames that wait until the task that is `sending` has sent those before."""

    mirror: MirrorIdentity
    stream: Stream
    state_sent_s: float
    unsent: list[bytes] = field(default_factory=list)
    sending: bool = False


class MirrorStreams:
    """The mirrors that follow this process. Other workers have theirs; what they share is the catalogue.

    `addresses` are the "host:port" of this server's "http" and "https", as mirrors reach it, and what they are told of
    keys (`trust_epoch`, `renew_before_s`). `changed()` is called when
    something has happened to mirrors or packages, and at each heartbeat.
    """

    def __init__(
        self,
        watch: EventWatch,
        writer: Writer,
        waves: Waves,
        addresses: dict[str, Any],
        changed: Callable[[], None],
        origin_key: OriginKey,
        log: logging.Logger,
    ) -> None:
        self._origin_key = origin_key
        self._watch = watch
        self._reader = watch.reader
        self._writer = writer
        self._waves = waves
        self._addresses = addresses
        self._changed = changed
        self._log = log
        self._followers: dict[int, _Follower] = {}  # by descriptor
        self._epoll = select.epoll()
        self._handshakes = trio.CapacityLimiter(MAX_PENDING_HANDSHAKES)
        self._pending = 0  # that do not follow yet
        self._seq = 0
        self._heartbeat_s = 0.0
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        return len(self._followers)

    async def run(self) -> None:
        """Send mirrors what happens, for ever."""
        self._seq = await self._watch.current()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._remove_disconnected)
                await self._follow_events()
        finally:
            self._nursery = None
            lost = [self._remove(follower).mirror for follower in list(self._followers.values())]
            self._epoll.close()
            with trio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                for mirror in lost:
                    await self._record_lost(mirror)

    def tell_all(self, changed: dict[str, Any]) -> None:
        """Send all mirrors the state with these `addresses` changed, at the next time that events are looked for."""
        self._addresses |= changed
        for follower in self._followers.values():
            follower.state_sent_s = -math.inf
        self._heartbeat_s = -math.inf

    def serve(self, stream: Stream) -> None:
        """Serve a stream on which a request for `PATH` is coming, to its end; or refuse it at once."""
        if not is_private(stream):
            refuse(stream, HTTPStatus.FORBIDDEN, "a mirror's key is for https only")
        elif self._nursery is None or len(self._followers) + self._pending >= MAX_MIRRORS:
            refuse(stream, HTTPStatus.SERVICE_UNAVAILABLE, "as many mirrors follow as may", "Retry-After: 10\r\n")
        else:
            self._pending += 1
            self._nursery.start_soon(self._handshake, stream)

    # --- a mirror connects and disconnects -------------------------------------------------------------------------

    async def _handshake(self, stream: Stream) -> None:
        """From the request to the first message; what comes later needs no task of its own."""
        follower = None
        try:
            async with self._handshakes:
                with trio.fail_after(HANDSHAKE_TIMEOUT_S):
                    request = await mirror_requests.read_request(stream)
                    if request.method != "GET":
                        await mirror_requests.refuse(stream, HTTPStatus.METHOD_NOT_ALLOWED, "expected GET")
                        return
                    proof = self._origin_key.proof_of(request.authorization, "GET", request.target, time.time())
                    mirror = await self._reader.run(partial(identity.identify, key=proof.key)) if proof else None
                    if mirror is None:
                        why = "expected the key of a mirror; `redistrib join` gives one"
                        await mirror_requests.refuse(stream, HTTPStatus.UNAUTHORIZED, why)
                        return
                    await stream.send_all(mirror_requests.ACCEPTED)
                    # It follows before its first message is read: no event falls between. To get one twice is harmless.
                    follower = self._add(mirror, stream)
                    await self._writer.run(partial(presence.set_connected, mirror=mirror, now_s=time.time()))
                    first = partial(mirror_messages.first_message, after=request.after)
                    self._send(follower, await self._reader.run(first))
                    self._log.info("mirror %s follows", mirror.name)
        except h11.RemoteProtocolError as error:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await mirror_requests.refuse(stream, HTTPStatus.BAD_REQUEST, str(error))
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError, Unavailable) as error:
            self._log.warning("a mirror that connected is not served: %s", str(error) or "it is too slow")
            if follower is not None:
                self._disconnect(follower)
        finally:
            self._pending -= 1
            if follower is None:
                stream.close()

    def _add(self, mirror: MirrorIdentity, stream: Stream) -> _Follower:
        follower = _Follower(mirror, stream, trio.current_time())
        self._followers[stream.socket.fileno()] = follower
        self._epoll.register(stream.socket.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
        return follower

    async def _remove_disconnected(self) -> None:
        """A mirror sends nothing once it follows: one that can be read from has disconnected."""
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for fd, _ in self._epoll.poll(0):
                self._disconnect(self._followers[fd])

    def _disconnect(self, follower: _Follower) -> None:
        if self._followers.get(follower.stream.socket.fileno()) is follower:
            self._remove(follower)
            if self._nursery is not None:
                self._nursery.start_soon(self._record_lost, follower.mirror)

    def _remove(self, follower: _Follower) -> _Follower:
        fd = follower.stream.socket.fileno()
        del self._followers[fd]
        self._epoll.unregister(fd)
        follower.stream.close()
        self._log.info("mirror %s is disconnected", follower.mirror.name)
        return follower

    async def _record_lost(self, mirror: MirrorIdentity) -> None:
        if any(other.mirror == mirror for other in self._followers.values()):
            return  # it has come back by another connection
        try:
            await self._writer.run(partial(presence.set_lost, mirror=mirror, now_s=time.time()))
        except Unavailable as error:
            warn(self._log, error, f"mirror {mirror.name}")

    # --- something happens -----------------------------------------------------------------------------------------

    async def _follow_events(self) -> None:
        self._heartbeat_s = trio.current_time()
        while True:
            newest = None
            with trio.move_on_after(LOOK_S):
                newest = await self._watch.beyond(self._seq, WATCHED)
            try:
                if newest is not None:
                    await self._send_new_events(newest)
                if trio.current_time() - self._heartbeat_s >= presence.HEARTBEAT_S:
                    self._heartbeat_s = trio.current_time()
                    await self._send_heartbeats()
            except Unavailable as error:
                warn(self._log, error, "events were not sent to the mirrors")
                await trio.sleep(RETRY_S)

    async def _send_new_events(self, newest: int) -> None:
        limit = mirror_messages.MAX_REPLAYED_EVENTS
        read = partial(event_log.since, seq=self._seq, limit=limit, kinds=WATCHED, last=newest)
        found = await self._reader.run(read)
        last = found[-1].seq if len(found) == limit else newest
        if found:
            await self._send_events(found, last)
        self._seq = last  # not before they are sent: the catalogue may fail in between

    async def _send_events(self, found: Sequence[LoggedEvent], last: int) -> None:
        self._changed()
        for event in found:
            if event.kind is Kind.MIRROR_REVOKED:
                self._disconnect_all(event.detail.get("mirror", ""))
        changed = {event.package_id for event in found if event.kind in event_log.OF_PACKAGES and event.package_id}
        if changed and self._followers:
            read = partial(mirror_messages.package_message, changed=changed, seq=last)
            change = await self._reader.run(read)
            for position, follower in enumerate(list(self._followers.values())):
                self._send(follower, structs.replace(change, wait_s=self._waves.wait_s(position)))

    async def _send_heartbeats(self) -> None:
        self._changed()
        if not self._followers:
            return
        ids = sorted({follower.mirror.id for follower in self._followers.values()})
        await self._writer.run(partial(presence.record_heartbeat, mirror_ids=ids, now_s=time.time()))
        # A mirror takes the number in it for one up to which it has been sent everything.
        await self._send_new_events(await self._watch.refresh())
        now_s = trio.current_time()
        state: Event | None = None
        for follower in list(self._followers.values()):
            if now_s - follower.state_sent_s > STATE_S:
                follower.state_sent_s = now_s
                if state is None:
                    state = await self._reader.run(mirror_messages.state_message)
                self._send(follower, state)
            else:
                self._send(follower, Heartbeat(self._seq))

    def _disconnect_all(self, name: str) -> None:
        for follower in [follower for follower in self._followers.values() if follower.mirror.name == name]:
            self._disconnect(follower)

    # --- bytes go out ----------------------------------------------------------------------------------------------

    def _send(self, follower: _Follower, event: Event) -> None:
        if not isinstance(event, Heartbeat):
            event = structs.replace(event, **self._addresses)
        frame = mirror_events.encode(event)
        follower.unsent.append(mirror_requests.chunk(frame))
        if sum(map(len, follower.unsent)) > MAX_UNSENT_BYTES:
            self._disconnect(follower)
        elif not follower.sending and self._nursery is not None:
            self._send_now(follower, self._nursery)

    def _send_now(self, follower: _Follower, nursery: trio.Nursery) -> None:
        """Without a task, unless the kernel does not take it all: two hundred tasks at once would cost megabytes."""
        data, follower.unsent = b"".join(follower.unsent), []
        try:
            rest = follower.stream.send_nowait(data)
        except trio.BrokenResourceError:
            self._disconnect(follower)
            return
        if rest or follower.stream.unsent:
            follower.unsent, follower.sending = [rest], True
            nursery.start_soon(self._send_rest, follower)

    async def _send_rest(self, follower: _Follower) -> None:
        try:
            while follower.unsent:
                data, follower.unsent = b"".join(follower.unsent), []
                with trio.fail_after(SEND_TIMEOUT_S):
                    await follower.stream.send_all(data)
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._disconnect(follower)
        finally:
            follower.sending = False
