"""Thresholds: what a run must achieve, such as `fragment_p99<200ms`."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.units import FIGURE_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentsim.fleet.totals import FleetTotals

_FORM: Final = re.compile(r"([a-z_0-9.]+)\s*(<=|>=|==|<|>)\s*(\d+(?:\.\d+)?)\s*([a-zA-Z%/]*)")
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_PERCENTILE: Final = re.compile(
    r"((prolog|info|inventory|fragment|result)_p(50|90|99|99\.9|100)|finish_p(50|90|95|99|100))"
)
_NAMES: Final = (
    "agents done failed vanished lost success errors requests unanswered fragments bytes fragments_per_s "
    "requests_per_s bytes_per_s duration verified verified_bytes bad redirects memory"
)
_SHARES: Final = ("success", "errors")
NAMES: Final = frozenset(_NAMES.split())


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure by its `name`, how it is compared, and with what; `text` is how it was given."""

    text: str
    name: str
    compare: str
    limit: float

    def holds(self, figures: Mapping[str, float]) -> bool:
        """Whether it is met. It is not when there is no such figure, because no such request was made."""
        value = figures.get(self.name)
        return value is not None and _OPERATORS[self.compare](value, self.limit)


def read(text: str) -> Threshold:
    """Raises `BadInput` for an unknown figure, comparison or unit."""
    match = _FORM.fullmatch(text.strip())
    if match is None or match[4] not in FIGURE_UNITS:
        raise BadInput("--threshold", "a figure, a comparison and a value, such as fragment_p99<200ms", text)
    if match[1] not in NAMES and not _PERCENTILE.fullmatch(match[1]):
        known = ", ".join(sorted(NAMES))
        raise BadInput("--threshold", f"{known}, fragment_p99 (or prolog, info …; p50 to p100), finish_p95", match[1])
    limit = float(Decimal(match[3]) * FIGURE_UNITS[match[4]])
    if match[1] in _SHARES and limit > 1:
        raise BadInput("--threshold", "a share of 0% to 100%, such as success>=99.9%", text)
    return Threshold(text.strip(), match[1], match[2], limit)


def is_passed(totals: FleetTotals, thresholds: Sequence[Threshold]) -> bool:
    """Whether a run was not interrupted and met its thresholds; without any, whether no agent failed or was lost."""
    if totals.interrupted:
        return False
    figures = totals.figures()
    if thresholds:
        return all(threshold.holds(figures) for threshold in thresholds)
    return figures["done"] + figures["vanished"] == figures["agents"]


def in_unit(text: str, value: float | None) -> str:
    """A figure in the unit of the threshold `text`."""
    if value is None:
        return "none"
    match = _FORM.fullmatch(text)
    unit = match[4] if match else ""
    return f"{value / float(FIGURE_UNITS[unit]):,.5g}{unit if unit in ('', '%') else ' ' + unit}"
