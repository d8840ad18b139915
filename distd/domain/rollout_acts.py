"""What operators may do to a roll-out in each phase, and the sentences that say why not. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.rollout_state import ENDED, Phase, RolloutAct

if TYPE_CHECKING:
    from collections.abc import Mapping

WAITING: Final = (Phase.DRAFT, Phase.AWAITING_APPROVAL)
ALLOWED: Final[Mapping[RolloutAct, tuple[Phase, ...]]] = {
    RolloutAct.START: (Phase.DRAFT,),
    RolloutAct.APPROVE: WAITING,
    RolloutAct.PAUSE: (Phase.SCHEDULED, Phase.RUNNING),
    RolloutAct.RESUME: (Phase.PAUSED, Phase.HALTED),
    RolloutAct.OPEN_WAVE: (Phase.RUNNING,),
    RolloutAct.STOP: tuple(phase for phase in Phase if phase not in ENDED),
    RolloutAct.ROLL_BACK: tuple(
        phase for phase in Phase if phase not in (*WAITING, Phase.SCHEDULED, Phase.ROLLING_BACK)
    ),
}
DELETABLE: Final = (Phase.DRAFT, *ENDED)
WHERE: Final[Mapping[Phase, str]] = {
    Phase.DRAFT: "it was not started",
    Phase.AWAITING_APPROVAL: "it waits for its approval",
    Phase.SCHEDULED: "it waits for its time",
    Phase.RUNNING: "it is running",
    Phase.PAUSED: "it is paused",
    Phase.HALTED: "it is halted",
    Phase.ROLLING_BACK: "it is being rolled back",
    Phase.FINISHED: "it is finished",
    Phase.STOPPED: "it is stopped",
}
_CANNOT: Final[Mapping[RolloutAct, str]] = {
    RolloutAct.START: "it cannot be started",
    RolloutAct.APPROVE: "it cannot be approved",
    RolloutAct.PAUSE: "it cannot be paused",
    RolloutAct.RESUME: "there is nothing to resume",
    RolloutAct.OPEN_WAVE: "no wave can be opened",
    RolloutAct.STOP: "it cannot be stopped",
    RolloutAct.ROLL_BACK: "it cannot be rolled back",
}
# Whole sentences, as languages do not put them together alike.
REFUSALS: Final[Mapping[tuple[RolloutAct, Phase], str]] = {
    (what, phase): f"{WHERE[phase]}, so {cannot}"
    for what, cannot in _CANNOT.items()
    for phase in Phase
    if phase not in ALLOWED[what]
}
UNCHANGEABLE: Final[Mapping[Phase, str]] = {
    phase: f"{WHERE[phase]}, so nothing of it changes" for phase in (Phase.ROLLING_BACK, *ENDED)
}
SENTENCES: Final = frozenset(
    (*(WHERE[phase] for phase in Phase if phase not in DELETABLE), *REFUSALS.values(), *UNCHANGEABLE.values())
)
