"""When the agents of a shard make their first contact."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from agentsim.fleet.options import HOUR_S, Arrivals

if TYPE_CHECKING:
    from agentsim.fleet.options import FleetOptions

# Sites open between 7:30 and 9:30; most people come within half an hour of their site's hour.
OPENINGS: Final = 9
BETWEEN_OPENINGS_S: Final = HOUR_S / 4
SPREAD_S: Final = HOUR_S / 4


def arrivals(options: FleetOptions, site_of: dict[int, int]) -> list[tuple[float, int]]:
    """(seconds from the beginning as they really pass, number), sorted; with `CLOSED` all at 0, in options.

    `site_of`: each number's site, for `OFFICE`; else it may be empty.
    """
    draw = random.Random(f"{options.seed} arrivals {options.shard}/{options.shards}")
    kind, value, scale = options.arrival.kind, options.arrival.value, options.time_scale
    match kind:
        case Arrivals.WINDOW:
            return sorted((draw.random() * value / scale, number) for number in options.numbers)
        case Arrivals.OFFICE:
            mornings = ((_morning_s(site_of[number], draw) / scale, number) for number in options.numbers)
            return sorted(mornings)
        case Arrivals.POISSON:
            return _poisson(options, value * scale / options.shards, draw)
        case Arrivals.AT_ONCE | Arrivals.CLOSED:
            return [(0.0, number) for number in options.numbers]


def _morning_s(site: int, draw: random.Random) -> float:
    opens_s = (site * 5 % OPENINGS) * BETWEEN_OPENINGS_S
    return max(opens_s + draw.gauss(2 * SPREAD_S, SPREAD_S), 0.0)


def _poisson(options: FleetOptions, per_s: float, draw: random.Random) -> list[tuple[float, int]]:
    found, at_s = [], 0.0
    for number in options.numbers:
        at_s += draw.expovariate(per_s)
        found.append((at_s, number))
    return found
