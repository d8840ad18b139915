"""What a mirror tells its origin: which packages it has, which files were bad, who fetched what, how it is doing."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.domain.errors import Corrupt, Unavailable

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from redistrib.access_spool import AccessSpool
    from redistrib.origin_client import OriginClient
    from redistrib.status import MirrorState, Statistics

FLUSH_S: Final = 5.0
BUSY_REPORT_S: Final = 15.0  # while packages are missing
IDLE_REPORT_S: Final = 60.0  # without changes the origin is told so often how the mirror is doing


@dataclass(slots=True)
class _PendingReport:
    """What the origin does not know yet: packages (id, version), ids, and bad files (id, name, healed)."""

    ready: list[list[object]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    faults: list[list[object]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ready or self.gone or self.faults)


class Reporter:
    """`versions`: the packages that are here; they are reported all together first, and when the origin asks."""

    def __init__(
        self,
        origin: OriginClient,
        statistics: Statistics,
        spool: AccessSpool,
        versions: Mapping[str, int],
        log: logging.Logger,
    ) -> None:
        self._origin = origin
        self._statistics = statistics
        self._spool = spool
        self._versions = versions
        self._log = log
        self._pending = _PendingReport()
        self._has_pending = trio.Event()
        self._report_all = True

    def ready(self, package_id: str, version: int) -> None:
        """A version of a package is here, verified."""
        self._pending.ready.append([package_id, version])
        self._has_pending.set()

    def gone(self, package_id: str) -> None:
        """A package is not here any more."""
        self._pending.gone.append(package_id)
        self._has_pending.set()

    def fault(self, package_id: str, name: str, *, healed: bool) -> None:
        """A file on the disk was bad, and was replaced or could not be."""
        self._statistics.checked(healed=healed)
        self._pending.faults.append([package_id, name, healed])
        self._has_pending.set()

    def report_all(self) -> None:
        """The next report says everything that is here."""
        self._report_all = True

    async def run(self, state: Callable[[], MirrorState]) -> None:
        """Report changes at once, the rest every now and then, for ever. `state()`: how far the mirror is."""
        reported_s = -IDLE_REPORT_S
        while True:
            with trio.move_on_after(FLUSH_S):
                await self._has_pending.wait()
            self._has_pending = trio.Event()
            with contextlib.suppress(OSError):  # a full disk: who fetched what is held in memory a while longer
                self._spool.flush()
            now = state()
            is_due = trio.current_time() - reported_s > (BUSY_REPORT_S if now.missing_bytes else IDLE_REPORT_S)
            if not now.connected or not (is_due or self._pending or self._report_all or self._spool.batches()):
                continue
            try:
                await self._report(now)
                reported_s = trio.current_time()
            except (Unavailable, Corrupt) as error:
                self._log.warning("not reported: %s", error)

    async def _report(self, state: MirrorState) -> None:
        pending, self._pending = self._pending, _PendingReport()
        everything, self._report_all = self._report_all, False
        message: dict[str, Any] = {
            "seq": state.seq,
            "status": asdict(self._statistics.status(state.missing_bytes)),
            "faults": pending.faults,
        }
        if everything:
            message["have"] = [list(pair) for pair in self._versions.items()]
        else:
            message |= {"ready": pending.ready, "gone": pending.gone}
        batches = self._spool.batches()
        try:
            await self._send(message, batches[0] if batches else None)
        except BaseException:
            self._restore(pending, everything=everything)
            raise
        for path in batches[1:]:
            await self._send({"seq": state.seq}, path)

    def _restore(self, pending: _PendingReport, *, everything: bool) -> None:
        """Put what could not be reported before what has come meanwhile."""
        later = self._pending
        self._pending = _PendingReport(
            pending.ready + later.ready, pending.gone + later.gone, pending.faults + later.faults
        )
        self._report_all |= everything

    async def _send(self, message: dict[str, Any], batch: Path | None) -> None:
        if batch is not None:
            # `now_s`: so the origin sees how old the batch is, however wrong this clock may be.
            message |= {**self._spool.read(batch), "now_s": time.time()}
        await self._origin.report(message)
        if batch is not None:
            self._spool.remove(batch)
