"""What a server does again and again, whatever happens to one time.

Error handling: what cannot be done now (`DistdError`) is a line in the log. Any other exception is a fault of the
program: it goes to the log with its traceback, once for each place that raises it, and later in a line. Either ends
only that one time, never the server (docs/adr/0042-faults-of-background-work.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from distd.catalogue.outage import warn
from distd.domain.errors import DistdError, Unavailable, writable

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Iterable

    Place = tuple[type[Exception], str, int]

T = TypeVar("T")


class Faults:
    """Faults of the program in one background work, as its log tells them."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: set[Place] = set()

    async def keep_from(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        """Do `work`; what it raises goes to the log. `what` says there what is not done."""
        try:
            await work()
        except DistdError as error:
            warn(self._log, error, what)
        except Exception as error:
            self.tell(error, what)

    async def keep_each_from(self, items: Iterable[T], work: Callable[[T], Awaitable[None]], what: str) -> None:
        """Do `work` for each of `items`: what is wrong with one goes to the log, and is in no other's way. Raises
        `Unavailable`, which holds for all."""
        for item in items:
            try:
                await work(item)
            except Unavailable:
                raise
            except DistdError as error:
                warn(self._log, error, f"{what}, {item}")
            except Exception as error:
                self.tell(error, f"{what}, {item}")

    def tell(self, error: Exception, what: str) -> None:
        """An error in the log, with a traceback if it is the first from its place."""
        place = _place(error)
        is_new = place not in self._told
        self._told.add(place)
        self._log.error("%s: a fault of the program: %s", what, describe(error), exc_info=error if is_new else None)


def describe(error: Exception) -> str:
    """A fault of the program in a line."""
    return writable(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _place(error: Exception) -> Place:
    """The kind of an exception, and the file and line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (type(error), "", 0) if trace is None else (type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno)


async def repeat(
    work: Callable[[], Awaitable[None]],
    interval_s: float | Callable[[], float],
    what: str,
    log: logging.Logger,
    *,
    at_once: bool = False,
) -> None:
    """Do `work` after every `interval_s`, until cancelled; `at_once`: the first time before the first of them.

    What it cannot do it tries again the next time; `what` says in the log what is not done till then. `interval_s` may
    be a function, of a setting that can change.
    """
    faults = Faults(log)
    if at_once:
        await faults.keep_from(work, what)
    while True:
        await trio.sleep(interval_s() if callable(interval_s) else interval_s)
        await faults.keep_from(work, what)
