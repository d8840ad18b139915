"""Files that change while a process runs: keys, certificates. They are looked at every few seconds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_S: Final = 2.0


async def watch(identity: Callable[[], object], changed: Callable[[], object]) -> None:
    """Call `changed()` whenever `identity()` gives another value than before, twice in a row; for ever.

    Twice: several files may be replaced one after the other.
    """
    used = last = identity()
    while True:
        await trio.sleep(LOOK_S)
        now = identity()
        if now == last and now != used:
            used = now
            changed()
        last = now


def identity_of(path: Path) -> tuple[int, int, int] | None:
    """Another value for another file; None: there is none."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
