"""A roll-out as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.settings import DownloadConfig

if TYPE_CHECKING:
    from distd.domain.rollout_plan import RolloutPlan
    from distd.domain.rollout_state import RolloutState

STOCK: Final = DownloadConfig()


@dataclass(frozen=True, slots=True)
class RunningRollout:
    """A roll-out as it is kept. `config`: the schedule that agents are told. `revision` is another one after each
    decision, and after each change by an operator."""

    id: int
    name: str
    package_id: str
    who: AssignmentOrigin
    plan: RolloutPlan
    state: RolloutState
    force: bool = False
    any_os: bool = False
    config: DownloadConfig = STOCK
    revision: int = 0

    @property
    def origin(self) -> AssignmentOrigin:
        """What its assignments say that they come from."""
        return AssignmentOrigin(OriginKind.ROLLOUT, self.name[:NAME_LIMIT])
