"""What the administrator of a computer decides for its agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agentsim.native.credentials import NO_ACCOUNT
from agentsim.native.unpack import DEFAULT_LIMITS

if TYPE_CHECKING:
    from agentsim.native.credentials import AgentAccount
    from agentsim.native.unpack import UnpackLimits


@dataclass(frozen=True, slots=True)
class Rights:
    """What packages may do here: run commands (LAUNCH, EXECUTE), or only store files; what they may unpack to."""

    commands: bool = False
    unpack: UnpackLimits = DEFAULT_LIMITS


NO_COMMANDS: Final = Rights()


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What packages may do, and the log-in by which the agent enrols."""

    rights: Rights = NO_COMMANDS
    account: AgentAccount = NO_ACCOUNT


DEFAULT_CONFIG: Final = AgentConfig()
