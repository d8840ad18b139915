"""Why an assignment is not listed for its agent; `origin.agents.listing` decides it."""

from __future__ import annotations

from enum import StrEnum


class HoldReason(StrEnum):
    """Why a contact does not list a package of which the agent was not notified."""

    WITHDRAWN = "WITHDRAWN"
    NOT_ACTIVE = "NOT_ACTIVE"
    INSTALLED = "INSTALLED"  # it is in the agent's history, so it gets its result without it
    CLAIMED = "CLAIMED"  # it is in the agent's history, but nothing proves it
    TOO_LATE = "TOO_LATE"  # it ends at the next contact
    TOO_EARLY = "TOO_EARLY"
    WAITS_FOR_PACKAGE = "WAITS_FOR_PACKAGE"  # for the success of another one
    SWITCHED_OFF = "SWITCHED_OFF"
    BUSY_CHILD = "BUSY_CHILD"  # trap 14
    PRIORITY_ZERO = "PRIORITY_ZERO"  # trap 9: one of the two has priority 0
    UNKNOWN_HISTORY = "UNKNOWN_HISTORY"  # trap 2
