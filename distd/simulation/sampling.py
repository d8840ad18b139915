"""Large worlds, simulated by a sample of their agents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from distd.simulation.world import MAX_KB_PER_S, Line

if TYPE_CHECKING:
    from distd.simulation.records import Load, Summary
    from distd.simulation.world import World

MIN_LINE_BYTES_PER_S: Final = 100_000  # rates are whole kB/s: from here on the rounding does not matter


@dataclass(frozen=True, slots=True)
class Sample:
    """A world of some of the agents of another one.

    It has one in `one_in` of them; `weights`: by site, how many agents each stands for. Sizes and rates in it are
    `scale` times those of the whole world.

    What agents share is slower by `one_in`. So a fragment takes longer than in the whole world, and the peak of a line,
    scaled up, is rather too high, as few agents vary more than many: the error is on the safe side.
    """

    world: World
    one_in: int
    weights: tuple[float, ...]
    scale: int = 1

    def scale_up(self, summary: Summary) -> Summary:
        """The summary of a simulation of this sample, with what lines and servers carry for all agents."""
        if self.one_in == 1:
            return summary
        times = self.one_in / self.scale
        return replace(
            summary,
            origin=_times(summary.origin, times),
            lines=[_times(load, weight / self.scale) for load, weight in zip(summary.lines, self.weights, strict=True)],
            mirrors=[_times(load, times) for load in summary.mirrors],
        )


def take_sample(world: World, max_turns: int) -> Sample:
    """A sample whose agents have about `max_turns` turns. Each site keeps at least one agent."""
    turns = world.agents * sum(len(package.lengths) + 1 for package in world.packages)
    one_in = max(-(-turns // max_turns), 1)
    if one_in == 1:
        return Sample(world, 1, (1.0,) * len(world.sites))
    counts = [max(site.agents // one_in, min(site.agents, 1)) for site in world.sites]
    weights = tuple(site.agents / count if count else 1.0 for site, count in zip(world.sites, counts, strict=True))
    scale = _scale(world, one_in, weights)
    sites = tuple(
        replace(
            site,
            agents=count,
            line=_slower(site.line, times, scale),
            mirror=site.mirror and replace(site.mirror, line=_slower(site.mirror.line, one_in, scale)),
        )
        for site, count, times in zip(world.sites, counts, weights, strict=True)
    )
    packages = tuple(
        replace(package, lengths=tuple(length * scale for length in package.lengths)) for package in world.packages
    )
    sampled = replace(
        world,
        packages=packages,
        sites=sites,
        origin=_slower(world.origin, one_in, scale),
        contacts_per_s=world.contacts_per_s and max(world.contacts_per_s // one_in, 1),
        requests_per_s=world.requests_per_s and max(world.requests_per_s // one_in, 1),
    )
    return Sample(sampled, one_in, weights, scale)


def _scale(world: World, one_in: int, weights: tuple[float, ...]) -> int:
    """The factor by which the slowest rates are exact enough, and the fastest still within `MAX_KB_PER_S`."""
    lines = [(world.origin, float(one_in))]
    lines += [(site.line, times) for site, times in zip(world.sites, weights, strict=True)]
    lines += [(mirror.line, float(one_in)) for mirror in world.mirrors.values()]
    rates = [rule.bytes_per_s / times for line, times in lines for rule in line.shared.rules]
    rates += [rule.bytes_per_s for line, _ in lines for rule in line.per_transfer.rules]
    if not rates:
        return 1
    return max(1, min(-(-MIN_LINE_BYTES_PER_S // max(round(min(rates)), 1)), int(MAX_KB_PER_S * 1000 / max(rates))))


def _slower(line: Line, times: float, scale: int) -> Line:
    return Line(
        tuple(replace(rule, bytes_per_s=rule.bytes_per_s * scale / (1 if rule.each else times)) for rule in line.rules)
    )


def _times(load: Load, times: float) -> Load:
    return replace(load, bytes=round(load.bytes * times), peak_bytes_per_s=load.peak_bytes_per_s * times)
