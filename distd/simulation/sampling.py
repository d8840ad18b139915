"""Large worlds by some of their agents, where time is short."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from distd.simulation.world import MOST_KB_PER_S, Line

if TYPE_CHECKING:
    from distd.simulation.summary import Load, Summary
    from distd.simulation.world import World

FINE_BYTES_PER_S: Final = 100_000  # rates are whole kB/s: from here on that is fine enough


@dataclass(frozen=True, slots=True)
class Thinned:
    """`world` has one in `one_in` of the agents; `each`: by site, how many of its agents each stands for. Sizes and
    rates in it are `scale` times what they are.

    What agents share is slower by as much. So a fragment takes longer than it would, and a line's peak, multiplied,
    is rather too high, for few agents are less steady than many: it is on the safe side.
    """

    world: World
    one_in: int
    each: tuple[float, ...]
    scale: int = 1

    def multiplied(self, summary: Summary) -> Summary:
        """What lines and servers carry, of all agents."""
        if self.one_in == 1:
            return summary
        times = self.one_in / self.scale
        return replace(
            summary,
            origin=_times(summary.origin, times),
            lines=[_times(load, each / self.scale) for load, each in zip(summary.lines, self.each, strict=True)],
            mirrors=[_times(load, times) for load in summary.mirrors],
        )


def thin(world: World, most_turns: int) -> Thinned:
    """So that its agents have about `most_turns` turns. Each site keeps one agent at least."""
    turns = world.agents * sum(len(one.lengths) + 1 for one in world.packages)
    one_in = max(-(-turns // most_turns), 1)
    if one_in == 1:
        return Thinned(world, 1, (1.0,) * len(world.sites))
    counts = [max(site.agents // one_in, min(site.agents, 1)) for site in world.sites]
    each = tuple(site.agents / count if count else 1.0 for site, count in zip(world.sites, counts, strict=True))
    scale = _scale(world, one_in, each)
    sites = tuple(
        replace(
            site,
            agents=count,
            line=_slower(site.line, times, scale),
            mirror=site.mirror and replace(site.mirror, line=_slower(site.mirror.line, one_in, scale)),
        )
        for site, count, times in zip(world.sites, counts, each, strict=True)
    )
    packages = tuple(replace(one, lengths=tuple(length * scale for length in one.lengths)) for one in world.packages)
    some = replace(
        world,
        packages=packages,
        sites=sites,
        origin=_slower(world.origin, one_in, scale),
        contacts_per_s=world.contacts_per_s and max(world.contacts_per_s // one_in, 1),
        requests_per_s=world.requests_per_s and max(world.requests_per_s // one_in, 1),
    )
    return Thinned(some, one_in, each, scale)


def _scale(world: World, one_in: int, each: tuple[float, ...]) -> int:
    """So that the slowest rates are fine, and the fastest can still be told."""
    lines = [(world.origin, float(one_in))]
    lines += [(site.line, times) for site, times in zip(world.sites, each, strict=True)]
    lines += [(mirror.line, float(one_in)) for mirror in world.mirrors.values()]
    rates = [rule.bytes_per_s / times for line, times in lines for rule in line.shared.rules]
    rates += [rule.bytes_per_s for line, _ in lines for rule in line.own.rules]
    if not rates:
        return 1
    return max(1, min(-(-FINE_BYTES_PER_S // max(round(min(rates)), 1)), int(MOST_KB_PER_S * 1000 / max(rates))))


def _slower(line: Line, times: float, scale: int) -> Line:
    return Line(
        tuple(replace(rule, bytes_per_s=rule.bytes_per_s * scale / (1 if rule.each else times)) for rule in line.rules)
    )


def _times(load: Load, times: float) -> Load:
    return replace(load, bytes=round(load.bytes * times), peak_bytes_per_s=load.peak_bytes_per_s * times)
