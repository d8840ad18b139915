"""What a server does again and again, whatever happens to one time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from distd.catalogue.outage import warn
from distd.domain.errors import DistdError

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable


async def repeat(
    work: Callable[[], Awaitable[None]],
    interval_s: float | Callable[[], float],
    what: str,
    log: logging.Logger,
    *,
    at_once: bool = False,
) -> None:
    """Do `work` after every `interval_s`, until cancelled; `at_once`: the first time before the first of them.

    What it cannot do (`DistdError`) it tries again the next time; `what` says in the log what is not done till then.
    `interval_s` may be a function, of a setting that can change.
    """
    if at_once:
        await _try(work, what, log)
    while True:
        await trio.sleep(interval_s() if callable(interval_s) else interval_s)
        await _try(work, what, log)


async def _try(work: Callable[[], Awaitable[None]], what: str, log: logging.Logger) -> None:
    try:
        await work()
    except DistdError as error:
        warn(log, error, what)
