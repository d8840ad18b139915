"""The operations of `distd.operations`, asked for by who is signed in: as the API has them done, without its HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import trio
from quart import request

from distd.domain.actor import operator
from distd.domain.addresses import peer_of
from distd.domain.errors import DistdError
from distd.domain.permissions import missing
from distd.operations.operation import Asked, DryRun, Way
from distd.web.console.frame import current

if TYPE_CHECKING:
    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.permissions import Act
    from distd.operations.operation import Operation
    from distd.origin.installation import Installation

    T = TypeVar("T")

Answer = TypeVar("Answer")
OwnServers: TypeAlias = Callable[[], tuple[str, str]]  # "host:port" by HTTP and by HTTPS, as agents are told it
MAX_THREADS: Final = 4  # that read files, or make transactions of their own


class NotAllowed(DistdError):
    """Who is signed in may not do this (HTTP 403). `what` is missing."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class ConsoleOperations:
    """`site()` is the installation with the settings in force."""

    def __init__(self, reader: Reader, writer: Writer, site: Callable[[], Installation]) -> None:
        self.reader = reader
        self.writer = writer
        self.site = site
        self._threads = trio.CapacityLimiter(MAX_THREADS)

    def demand(self, act: Act) -> Asked:
        """Who asks, in the present request. Raises `NotAllowed`."""
        frame = current()
        assert frame.session is not None
        assert frame.access is not None
        lacks = missing(frame.access, act)
        if lacks:
            raise NotAllowed(lacks)
        address = peer_of((request.scope.get("client") or ("",))[0])
        return Asked(operator(frame.session.operator, address), frame.access, time.time(), self.site())

    async def do(self, operation: Operation[Answer], *names: str, given: Any = None, seen: Any = None) -> Answer:
        """What it answers. `given` is the record of its query or body; `seen` is what `guarded_by` answered when the
        change was thought of. Raises `NotAllowed`, and what the use case raises."""
        who = self.demand(operation.act)
        asked = Asked(who.actor, who.access, who.now_s, who.site, seen)
        try:
            if operation.check is not None:
                checked = await self.in_thread(operation.check, asked, *names, *operation.more(given))
                asked = replace(asked, checked=checked)
            if operation.way is Way.WORK:
                return await self.in_thread(operation.perform, None, asked, names, given)
            run = self.reader.run if operation.way is Way.READ else self.writer.run
            done = await run(lambda conn: operation.perform(conn, asked, names, given))
            return done if operation.after is None else await self.in_thread(operation.after, asked, done)
        except DryRun as tried:
            answer: Answer = tried.answer
            return answer

    async def in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """What `call` returns, which reads files."""
        return await trio.to_thread.run_sync(partial(call, *arguments), limiter=self._threads)
