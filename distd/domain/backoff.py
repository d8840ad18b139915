"""Exponential back-off: pauses between tries that get longer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Backoff:
    """Pauses of `first_s`, then each `factor` times the one before, at most `longest_s`; all in seconds.

    `jitter()` gives numbers from 0 to 1; with it a pause is 0.5 to 1.5 times as long, so that clients that failed
    together do not try again together.
    """

    first_s: float
    longest_s: float
    factor: float = 2.0
    jitter: Callable[[], float] | None = None
    _pause_s: float = field(default=0.0, init=False)

    def next_s(self) -> float:
        """The pause before the next try."""
        self._pause_s = min(self._pause_s * self.factor, self.longest_s) if self._pause_s else self.first_s
        return self._pause_s if self.jitter is None else self._pause_s * (0.5 + self.jitter())

    def reset(self) -> None:
        """A try has succeeded: the next pause is `first_s` again."""
        self._pause_s = 0.0
