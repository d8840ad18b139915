"""Connections that the lane hands over are served by hypercorn's trio server.

One request a connection: hypercorn closes after each answer (`Connection: close`), so no request that the lane should
answer comes here; a client opens a new connection for it, which starts in the lane (ADR 0003).

Over plain HTTP only health and metrics are answered, unless the peer is on this machine: a password, a token or a page
would be readable and changeable on the way.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from distd.domain.addresses import peer_of
from distd.lane.backend import RefusedHandOver
from distd.lane.refusal import is_private, refuse
from distd.server.slots import Purpose, SlotQueue, purpose_of

if TYPE_CHECKING:
    import logging
    from collections.abc import AsyncIterator

    from hypercorn.events import Event
    from hypercorn.typing import ASGIFramework, LifespanState

    from distd.domain.request_rates import RequestRates
    from distd.lane.streams import PlainStream, TlsStream
    from distd.server.slots import Slots

NEEDS_TLS: Final = "plain HTTP is for agents, fragments, health and metrics: use https, at the address of server.https"
REFUSALS: Final = {
    "web_connections": "as many connections are open as may be",
    "web_connections_per_address": "as many connections of this address are open as may be",
    "web_requests_per_s_per_address": "too many requests of this address wait",
}
RETRY_AFTER: Final = "Retry-After: 1\r\n"
WATCH_S: Final = 1.0
CLOSE_TIMEOUT_S: Final = 5.0  # what hypercorn gets to end a connection once its peer is known to be gone


class HandOver:
    """Serves handed-over streams with an ASGI application, each in a task of `nursery`.

    `refused` counts those that were refused, by what refused them."""

    def __init__(
        self,
        app: ASGIWrapper,
        config: Config,
        state: LifespanState,
        nursery: trio.Nursery,
        queue: SlotQueue,
        log: logging.Logger,
    ) -> None:
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.context = WorkerContext(None)
        self._slots = queue
        self._app = app
        self._config = config
        self._log = log
        self._state = state
        self._nursery = nursery
        self._streams: set[PlainStream | TlsStream] = set()
        self._empty = trio.Event()

    def refusal(self, path: bytes, address: str) -> RefusedHandOver | None:
        """Why a request for `path` is refused before its connection is handed over, which counts it: too many of its
        address wait."""
        reached = self._slots.refusal(purpose_of(path), peer_of(address))
        return self._refusal(reached) if reached else None

    def serve(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        """Serve the stream, on which a request for `path` is coming, to its end; or refuse it, with a problem: by plain
        HTTP from elsewhere (403), or when there is no slot for it, or too many wait (429, 503)."""
        purpose, peer = purpose_of(path), peer_of(stream.address)
        if purpose is not Purpose.HEALTH and not is_private(stream):
            self.refused["plain_http"] += 1
            refuse(stream, 403, NEEDS_TLS)
        else:
            self._nursery.start_soon(self._admit, stream, purpose, peer)

    async def finish(self, grace_s: float) -> None:
        """Wait for the streams that are being served, but no longer than `grace_s`."""
        with trio.move_on_after(grace_s):
            while self._streams:
                self._empty = trio.Event()
                await self._empty.wait()

    def close_all(self) -> None:
        """Close every stream. hypercorn shields its sends, so cancelling alone would wait for them."""
        for stream in self._streams:
            stream.close()

    async def _admit(self, stream: PlainStream | TlsStream, purpose: Purpose, peer: str) -> None:
        try:
            reached = await self._slots.take(purpose, peer)
        except trio.Cancelled:
            stream.close()
            raise
        if reached:
            status, why, _ = self._refusal(reached)
            refuse(stream, status, why, RETRY_AFTER)
            return
        try:
            await self._serve(stream)
        finally:
            self._slots.give_back(purpose, peer)

    def _refusal(self, reached: str) -> RefusedHandOver:
        """That of a setting's limit, which is counted."""
        self.refused[reached] += 1
        status = 429 if reached.endswith("_per_address") else 503
        return RefusedHandOver(status, f"{REFUSALS[reached]}: limits.{reached}", RETRY_AFTER.encode())

    async def _serve(self, stream: PlainStream | TlsStream) -> None:
        self._streams.add(stream)
        try:
            server = _Server(
                self._app,
                self._config,
                self.context,
                ConnectionState(self._state.copy()),
                stream,  # type: ignore[arg-type]  # it needs no more of an SSLStream than ours has
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, server, stream, nursery.cancel_scope)
                await server.run()
                nursery.cancel_scope.cancel()
        except Exception:
            # An error in one connection must not end the others.
            self._log.exception("an error of this server in a connection that was handed over")
        finally:
            self._streams.remove(stream)
            self._empty.set()
            stream.close()


class _Server(TCPServer):
    """Gets the end of an answer even where quart-trio cancels the task in which hypercorn sends it."""

    async def protocol_send(self, event: Event) -> None:
        with trio.CancelScope(shield=not isinstance(event, RawData)):
            await super().protocol_send(event)


async def _watch(server: TCPServer, stream: PlainStream | TlsStream, scope: trio.CancelScope) -> None:
    """End what hypercorn would wait for without limit: a request that does not continue, a peer that is gone.

    A time-out of each read would not do: while an answer streams, hypercorn reads too, and gets nothing.
    """
    while True:
        await trio.sleep(WATCH_S)
        if stream.broken:
            scope.deadline = min(scope.deadline, trio.current_time() + CLOSE_TIMEOUT_S)
        elif _awaits_request(server) and trio.current_time() - stream.last_heard_s > stream.idle_timeout_s:
            scope.cancel()


def _awaits_request(server: TCPServer) -> bool:
    connection = server.protocol.protocol.connection
    return isinstance(connection, h11.Connection) and connection.their_state in (h11.IDLE, h11.SEND_BODY)


@asynccontextmanager
async def open_hand_over(
    app: ASGIFramework, slots: Slots, rates: RequestRates, log: logging.Logger, grace_s: float
) -> AsyncIterator[HandOver]:
    """An application, started up, that takes streams. At the end its connections get `grace_s` to finish.

    Resource handling: lifespan nursery around connections' nursery, as `hypercorn.trio.run.worker_serve` has them.
    """
    config = Config()
    config.keep_alive_max_requests = 0
    config.include_server_header = False
    config.errorlog = log
    config.graceful_timeout = grace_s
    wrapped = ASGIWrapper(app)
    state: LifespanState = {}
    lifespan = Lifespan(wrapped, config, state)
    async with trio.open_nursery() as lifespan_nursery:
        await lifespan_nursery.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with trio.open_nursery() as connections:
            hand_over = HandOver(wrapped, config, state, connections, SlotQueue(slots, rates), log)
            try:
                yield hand_over
                await hand_over.context.terminated.set()
                await hand_over.finish(grace_s)
            finally:
                hand_over.close_all()
                connections.cancel_scope.cancel()
        await lifespan.wait_for_shutdown()
        lifespan_nursery.cancel_scope.cancel()
