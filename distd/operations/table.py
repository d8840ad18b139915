"""All operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from distd.operations import (
    acts,
    computers,
    deployments,
    diagnoses,
    events,
    filters,
    forecasts,
    groups,
    jobs,
    keys,
    mirrors,
    notices,
    operators,
    package_sets,
    packages,
    parameters,
    recurrences,
    rollouts,
    several_packages,
    tokens,
    watched_sources,
)

if TYPE_CHECKING:
    from distd.operations.operation import Operation

OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    *packages.ALL,
    *jobs.ALL,
    *computers.ALL,
    *groups.ALL,
    *filters.ALL,
    *deployments.ALL,
    *acts.ALL,
    *diagnoses.ALL,
    *rollouts.ALL,
    *package_sets.ALL,
    *several_packages.ALL,
    *recurrences.ALL,
    *watched_sources.ALL,
    *notices.ALL,
    *forecasts.ALL,
    *mirrors.ALL,
    *operators.ALL,
    *tokens.ALL,
    *parameters.ALL,
    *events.ALL,
    *keys.ALL,
)
