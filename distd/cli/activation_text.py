"""A planned activation in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.units import format_count, format_time

if TYPE_CHECKING:
    from distd.origin.packages.planned_activations import Planned


def describe_planned(planned: Planned, now_s: float) -> str:
    """When it is activated: "not before 2026-12-01 18:00:00, when 2 of 3 mirrors have verified it (now 1)"."""
    parts = []
    if planned.not_before_s > now_s:
        parts.append(f"not before {format_time(planned.not_before_s)}")
    if planned.needed:
        parts.append(
            f"when {planned.needed} of {format_count(planned.count, 'mirror')} have verified it (now {planned.ready})"
        )
    if planned.latest_s is not None:
        parts.append(f"at the latest {format_time(planned.latest_s)}")
    return ", ".join(parts) or "now"
