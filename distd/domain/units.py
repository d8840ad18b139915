"""Times and rates as people write them."""

from __future__ import annotations

DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60


def duration(seconds: float | None) -> str:
    """ "3 d 2 h", "26 h 12 min", "4 min 10 s", "12.3 s"; "never" for None."""
    if seconds is None:
        return "never"
    if round(seconds, 1) < MINUTE_S:
        return f"{seconds:.1f} s"
    if round(seconds) < HOUR_S:
        return f"{round(seconds) // MINUTE_S} min {round(seconds) % MINUTE_S} s"
    if (minutes := round(seconds / MINUTE_S)) < 2 * DAY_S // MINUTE_S:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / HOUR_S)
    return f"{hours // 24} d {hours % 24} h"


def rate(bytes_per_s: float) -> str:
    """In units of ten, as lines are sold."""
    return f"{_thousands(bytes_per_s)}/s"


def volume(size_bytes: float) -> str:
    return _thousands(size_bytes)


def _thousands(value: float) -> str:
    units = ("B", "kB", "MB", "GB", "TB")
    for unit in units:
        if abs(value) < 999.5 or unit == units[-1]:
            return (
                f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
            )
        value /= 1000
    raise AssertionError
