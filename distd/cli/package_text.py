"""What is known of a package, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.units import format_count, format_duration, format_size, format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.domain.records import Notify
    from distd.origin.packages.overview import ListedPackage
    from distd.origin.packages.planned_activations import Planned


_UNITS: Final[dict[str, Callable[[float], str]]] = {
    "size": lambda number: f"fragments of {format_size(number)}",
    "content": lambda number: f"fragments by content, of {format_size(number)} on average",
    "count": lambda number: f"{number:.0f} fragments",
    "duration": lambda number: f"fragments for {format_duration(number)}",
}


def describe_plan(plan: str) -> str:
    """How it was cut, of what `fragment_plan.text_of` has written: "fragments of 1.0 MiB"."""
    kind, _, number = plan.partition(":")
    return _UNITS[kind](float(number)) if kind in _UNITS else ""


def describe_notify(notify: Notify) -> str:
    """What a Windows agent tells its user: "'Save your work', for 30 s; may delay; afterwards 'Done'"."""
    parts = []
    if notify.text:
        parts.append(f"'{notify.text}'" + (f", for {notify.countdown_s} s" if notify.countdown_s else ""))
    may = [what for what, allowed in (("abort", notify.can_abort), ("delay", notify.can_delay)) if allowed]
    if may:
        parts.append(f"the user may {' or '.join(may)} it")
    if notify.done_action_text:
        parts.append(f"afterwards '{notify.done_action_text}'")
    return "; ".join(parts)


def describe_state(package: ListedPackage, planned: Planned | None, now_s: float) -> str:
    """Its state, and with which servers or from when: "active, from this server"."""
    state = package.state.lower()
    if planned is not None:
        return f"{state}: {describe_planned(planned, now_s)}"
    if not package.active:
        return state
    servers = f"info {package.info_server}, fragments {package.fragment_server}"
    return f"{state}, {servers if package.info_server else 'from this server'}"


def describe_counters(package: ListedPackage) -> str:
    """On how many computers it is in which state: "60 waiting, 1 success"."""
    return ", ".join(f"{count:,} {name}" for name, count in package.counters.items() if count)


def describe_planned(planned: Planned, now_s: float) -> str:
    """When it is activated: "not before 2026-12-01 18:00:00 (in 2 h 0 min), when 2 of 3 mirrors have verified it (now
    1)"."""
    parts = []
    if planned.not_before_s > now_s:
        wait = format_duration(planned.not_before_s - now_s)
        parts.append(f"not before {format_time(planned.not_before_s)} (in {wait})")
    if planned.needed:
        parts.append(
            f"when {planned.needed} of {format_count(planned.count, 'mirror')} have verified it (now {planned.ready})"
        )
    if planned.latest_s is not None:
        parts.append(f"at the latest {format_time(planned.latest_s)}")
    return ", ".join(parts) or "now"
