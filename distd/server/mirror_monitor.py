"""Keeps the directory of mirrors up to date, and activates the packages that waited for mirrors or for a time."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.origin.mirrors import directory
from distd.origin.packages import planned_activations
from distd.server.repeating import Faults

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.mirror_rules import Via
    from distd.origin.mirrors.directory import MirrorDirectory

CHECK_S: Final = 5.0  # planned activations that wait for a time are looked at so often


class MirrorMonitor:
    """Reads the directory when `notify` says that something has changed, and every `CHECK_S`.

    `default_via()` is how agents get fragments where an activation does not say it; each of `users` is given the new
    directory.
    """

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        default_via: Callable[[], Via],
        users: Sequence[Callable[[MirrorDirectory], None]],
        log: logging.Logger,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._default_via = default_via
        self._users = users
        self._log = log
        self._faults = Faults(log)
        self._changed = trio.Event()
        self._changed.set()

    def notify(self) -> None:
        """Mirrors or packages have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. While the catalogue cannot be used, the directory stays as it is."""
        while True:
            with trio.move_on_after(CHECK_S):
                await self._changed.wait()
            self._changed = trio.Event()
            await self._faults.keep_from(self._activate_due, "planned activations are not looked at")
            await self._faults.keep_from(self._read, "mirrors are not read")

    async def _read(self) -> None:
        load = partial(directory.load, default=self._default_via(), now_s=time.time())
        found = await self._reader.run(load)
        for use in self._users:
            use(found)

    async def _activate_due(self) -> None:
        if not await self._reader.run(planned_activations.list_planned):
            return
        activate = partial(planned_activations.activate_due, now_s=time.time())
        for package_id in await self._writer.run(activate):
            self._log.info("package %s is active now, as planned", package_id)
