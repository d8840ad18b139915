"""What is typed on the page of a forecast: the pauses, priority and fragment size that are tried, and the goal."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput
from distd.simulation.world import Line, Package
from distd.simulation.world_text import read_goal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from distd.domain.settings import DownloadConfig
    from distd.simulation.records import Answer, Goal
    from distd.simulation.world import World

MAX_LATENCY_S: Final = 120  # of a slider, where no longer one is set
LONGEST_S: Final = 3600  # what settings for a goal may have; then the slider reaches as far
MAX_PERIOD: Final = 30
SIZE_POWERS: Final = (14, 24)  # 16 KiB to 16 MiB
MAX_FRAGMENTS: Final = 5000
LATENCIES: Final = ("frag_latency_s", "cycle_latency_s", "period_latency_s")
KINDS: Final = (OriginKind.FILTER, OriginKind.GROUP, OriginKind.TAG)
TEXTS: Final = ("line", "by", "share", "most")
DEFAULT_SHARE: Final = "95%"
MAX_CHARACTERS: Final = 4000


@dataclass(frozen=True, slots=True)
class Slider:
    """`name` of the input; `labels` of its values, where these are not numbers of a unit."""

    name: str
    low: int
    high: int
    value: int
    labels: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ForecastForm:
    """`values`: what was sent; what is missing is as it is set now."""

    values: Mapping[str, str]

    def typed(self, name: str) -> str:
        """What stands in an input of text."""
        default = DEFAULT_SHARE if name == "share" else ""
        return self.values.get(name, default).strip()[:MAX_CHARACTERS]

    @property
    def who(self) -> AssignmentOrigin | None:
        """Whom it is for; None: those that have it assigned, or all."""
        kind = self.values.get("to", "")
        if "to" not in self.values or kind not in ("", *KINDS):
            return None
        return AssignmentOrigin(OriginKind(kind or OriginKind.FILTER), self.typed("who") if kind else "")

    def goal(self, now: datetime) -> Goal | None:
        """What is to be met. Raises `BadInput`."""
        return read_goal(self.typed("by") or None, self.typed("share"), self.typed("most") or None, now)

    def line(self) -> Line:
        """Of each site. Raises `BadInput`."""
        return Line.read(self.typed("line"), "line")

    def sliders(self, world: World) -> list[Slider]:
        """Each with its value: that which was sent, or that of the world. Raises `BadInput`."""
        config, (package,) = world.config, world.packages
        found = [self._slider(name, 0, MAX_LATENCY_S, getattr(config, name), LONGEST_S) for name in LATENCIES]
        found.append(self._slider("period_length", 1, MAX_PERIOD, config.period_length))
        found.append(self._slider("priority", 0, 10, package.priority))
        if package.lengths:
            size_bytes = sum(package.lengths)
            least = max(SIZE_POWERS[0], math.ceil(math.log2(max(size_bytes / MAX_FRAGMENTS, 1))))
            own = min(max(round(math.log2(max(package.lengths))), least), max(SIZE_POWERS[1], least))
            slider = self._slider("size", least, max(SIZE_POWERS[1], least), own)
            labels = tuple((power, 1 << power) for power in range(slider.low, slider.high + 1))
            found.append(replace(slider, labels=labels))
        return found

    def _slider(self, name: str, low: int, high: int, present: int, most: int = 0) -> Slider:
        """`most`: what is taken although it is beyond `high`."""
        text = self.values.get(name, "").strip()
        if text and not (text.isascii() and text.isdecimal() and len(text) < 7):
            raise BadInput(name, f"{low} to {max(high, most)}", text)
        value, high = int(text) if text else present, max(high, present)
        if not low <= value <= max(high, most):
            raise BadInput(name, f"{low} to {max(high, most)}", value)
        return Slider(name, low, max(high, value), value)

    def changed(self, world: World, sliders: list[Slider]) -> World:
        """The world as the sliders have it."""
        values: dict[str, Any] = {slider.name: slider.value for slider in sliders}
        (package,) = world.packages
        lengths, size = package.lengths, values.pop("size", None)
        if size is not None and self.values.get("size", "").strip():
            lengths = Package.from_sizes(package.id, 0, sum(lengths), 1 << size).lengths
        package = Package(package.id, values.pop("priority"), lengths)
        return replace(world, config=replace(world.config, **values), packages=(package,))


def values_of(config: DownloadConfig, answer: Answer) -> dict[str, Any]:
    """What the sliders have of settings that were found."""
    found: dict[str, Any] = {name: getattr(config, name) for name in (*LATENCIES, "period_length")}
    found["priority"] = answer.priority
    if answer.fragment_bytes:
        found["size"] = answer.fragment_bytes.bit_length() - 1
    return found
