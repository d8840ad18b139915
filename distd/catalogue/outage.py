"""What is known of a database that does not answer: others are refused at once while somebody tries again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from distd.domain.errors import Unreachable

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.domain.errors import DistdError

RETRY_S: Final = 1.0


def warn(log: logging.Logger, error: DistdError, message: str) -> None:
    """A warning that something is not done; none in an outage, which has its own line (`Outage.on_change`)."""
    if not isinstance(error, Unreachable):
        log.warning("%s: %s", message, error)


def log_outages(outage: Outage, log: logging.Logger) -> None:
    """A line in the log when an outage of the catalogue begins, one when it is over."""

    def tell(why: str) -> None:
        if why:
            log.error("the catalogue does not answer: %s; contacts are put off, fragments are served", why)
        else:
            log.info("the catalogue answers again")

    outage.on_change = tell
    if outage.why:
        tell(outage.why)


class Outage:
    """Whether the catalogue can be read and written, as far as the last tries tell. For any thread.

    `on_change(why)` is called once when an outage begins, with what the database said, and with "" when it is over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._why = ""
        self._reads = True  # in an outage: whether reading goes on
        self._next_try_s = 0.0
        self.on_change: Callable[[str], None] = lambda why: None

    @property
    def why(self) -> str:
        """What the database said when it last refused; "": there is no outage."""
        return self._why

    def require(self, *, writes: bool) -> None:
        """Raises `Unreachable` while an outage is known and it is not yet time to try again.

        The first to come after `RETRY_S` is let through, and has to say how it went.
        """
        if not self._why or (self._reads and not writes):
            return
        with self._lock:
            now_s = self._clock()
            if self._why and now_s < self._next_try_s:
                raise Unreachable("catalogue", self._why)
            self._next_try_s = now_s + RETRY_S

    def failed(self, why: str, *, reads: bool) -> None:
        """Nothing can be asked at present, or where `reads` only nothing be written."""
        with self._lock:
            is_new, self._why, self._reads = not self._why, why, reads
            self._next_try_s = self._clock() + RETRY_S
        if is_new:
            self.on_change(why)

    def succeeded(self, *, wrote: bool) -> None:
        """A transaction was carried out."""
        if not self._why or (self._reads and not wrote):
            return
        with self._lock:
            is_over, self._why = bool(self._why), ""
        if is_over:
            self.on_change("")
