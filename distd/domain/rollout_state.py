"""The records of roll-outs: where one is, what is counted, what is decided and done. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

Figures: TypeAlias = "dict[str, int | float | str]"


class Phase(StrEnum):
    """Where a roll-out is."""

    DRAFT = "DRAFT"  # made, not started
    AWAITING_APPROVAL = "AWAITING_APPROVAL"  # started, and to be approved
    SCHEDULED = "SCHEDULED"  # it begins at its time, in a window
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"  # by an operator
    HALTED = "HALTED"  # by itself: an operator resumes or stops it
    ROLLING_BACK = "ROLLING_BACK"  # by an operator: those that have the package get the other one, in parts
    FINISHED = "FINISHED"  # all waves are open and every computer has a result
    STOPPED = "STOPPED"  # by an operator, for good


ENDED: Final = (Phase.FINISHED, Phase.STOPPED)


class RolloutAct(StrEnum):
    """What operators do."""

    START = "start"
    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"  # what failed or stalls by then is accepted, if it was halted
    OPEN_WAVE = "open"  # the next one, whatever its conditions
    STOP = "stop"
    ROLL_BACK = "rollback"  # and stop


class DecisionKind(StrEnum):
    """What is decided; `ROLLOUT_` before it is the kind of the event."""

    APPROVED = "APPROVED"
    STARTED = "STARTED"
    WAVE_OPENED = "WAVE_OPENED"
    ASSIGNED = "ASSIGNED"  # at most so many computers of the wave are assigned the package
    RETRIED = "RETRIED"  # at most so many computers of the wave, which failed, are notified again
    RECALLED = "RECALLED"  # of at most so many, which were not notified, the assignment is taken back until later
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    HALTED = "HALTED"
    STOPPED = "STOPPED"
    FINISHED = "FINISHED"
    ROLLED_BACK = "ROLLED_BACK"  # at most so many computers that have the package get the one that it is rolled back to
    RESTARTED = "RESTARTED"  # from the first wave, with the package that supersedes the one before


class HaltCause(StrEnum):
    """Why a roll-out halts."""

    ERRORS = "errors"
    STALLED = "stalled"
    UNREACHABLE = "unreachable"  # so many failed that the next wave's share of successes cannot be reached
    REFUSED = "refused"  # the package cannot be assigned


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: in Unix time, and as the day of the week, 0 to 6, and the minute of the day where the server is."""

    now_s: float
    day: int = 0
    minute: int = 0


@dataclass(frozen=True, slots=True)
class WaveFacts:
    """Numbers of computers of a wave.

    Each is in one of the first five: `pending` (not assigned it), `active` (without a result), `success`, `to_retry`
    (failed, another attempt is left), `failed` (none is). Of the active: `recallable` were not notified, and have it by
    this roll-out; `stalled` were notified, and nothing has come from them for long; `silent` were not, for as long.
    `to_roll_back` have a success, and were not given what it is rolled back to.
    """

    pending: int = 0
    active: int = 0
    success: int = 0
    to_retry: int = 0
    failed: int = 0
    recallable: int = 0
    stalled: int = 0
    silent: int = 0
    to_roll_back: int = 0

    @property
    def members(self) -> int:
        """All of them."""
        return self.pending + self.active + self.success + self.to_retry + self.failed

    @property
    def busy(self) -> int:
        """Those that count for the limits."""
        return max(0, self.active - self.stalled - self.silent)


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """Of each wave its numbers; and what one computer fetches on the average, 0: not known."""

    waves: tuple[WaveFacts, ...]
    each_bytes_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WaveState:
    """`opened_at_s` None: not yet. What an operator accepted by resuming: so many failed, had a result, or stalled."""

    opened_at_s: float | None = None
    accepted_failed: int = 0
    accepted_ended: int = 0
    accepted_stalled: int = 0


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Waves open in their order. `reason`: why it is halted, a sentence."""

    phase: Phase
    waves: tuple[WaveState, ...]
    created_by: str = ""
    approved_by: str = ""
    reason: str = ""

    @property
    def opened(self) -> int:
        """How many waves are open."""
        return sum(wave.opened_at_s is not None for wave in self.waves)


@dataclass(frozen=True, slots=True)
class Decision:
    """`figures`: what it rests on. `wave`: its place, from 0; None: of the whole roll-out. `computers`: at most how
    many it is for."""

    kind: DecisionKind
    figures: Figures
    wave: int | None = None
    computers: int = 0
