"""The result of a simulation in the numbers that people ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from distd.simulation.records import SHARES, Finish, Load, Summary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from distd.simulation.simulate import SimulationResult
    from distd.simulation.world import World

POINTS: Final = 200  # of a curve


def summarise(world: World, result: SimulationResult) -> Summary:
    """The numbers of a result of `simulate(world)`."""
    done = result.done_us
    last = np.where((done < 0).any(axis=0), -1, done.max(axis=0))
    return Summary(
        agents=world.agents,
        contact_wait_s={share: after or 0.0 for share, after in _finish(result.contact_wait_us).after_s.items()},
        all=_finish(last),
        packages={package.id: _finish(done[place]) for place, package in enumerate(world.packages)},
        curve=_curve(last),
        origin=_load("origin", result.origin_bytes),
        lines=[_load(site.name, result.line_bytes[number]) for number, site in enumerate(world.sites)],
        mirrors=[_load(name, result.mirror_bytes[number]) for number, name in enumerate(world.mirrors)],
    )


def _finish(done_us: NDArray[np.int64]) -> Finish:
    finished = np.sort(done_us[done_us >= 0])
    count, total = len(finished), len(done_us)
    after = {share: -(-total * share // 100) for share in SHARES}
    return Finish(
        count,
        total - count,
        {share: float(finished[rank - 1]) / 1e6 if 0 < rank <= count else None for share, rank in after.items()},
    )


def _curve(done_us: NDArray[np.int64]) -> list[tuple[float, float]]:
    finished = np.sort(done_us[done_us >= 0])
    if not len(finished):
        return []
    times = np.linspace(0, int(finished[-1]), POINTS)
    reached = np.searchsorted(finished, times, "right") / len(done_us)
    return [(round(float(at) / 1e6, 3), round(float(share), 6)) for at, share in zip(times, reached, strict=True)]


def _load(name: str, by_minute: NDArray[np.int64]) -> Load:
    if not len(by_minute) or not by_minute.any():
        return Load(name, 0, 0.0, 0.0)
    peak = int(by_minute.argmax())
    return Load(name, int(by_minute.sum()), float(by_minute[peak]) / 60, peak * 60.0)


def as_json(summary: Summary) -> dict[str, Any]:
    """The schema stands in distd/docs/reference/reports.md."""
    return {
        "agents": summary.agents,
        "contact_wait_s": {str(share): wait_s for share, wait_s in summary.contact_wait_s.items()},
        "all": _finish_json(summary.all),
        "packages": {name: _finish_json(finish) for name, finish in summary.packages.items()},
        "curve": [list(point) for point in summary.curve],
        "origin": _load_json(summary.origin),
        "lines": [_load_json(load) for load in summary.lines],
        "mirrors": [_load_json(load) for load in summary.mirrors],
    }


def _finish_json(finish: Finish) -> dict[str, Any]:
    return {"done": finish.done, "never": finish.never, "after_s": {str(k): v for k, v in finish.after_s.items()}}


def _load_json(load: Load) -> dict[str, Any]:
    return {
        "name": load.name,
        "bytes": load.bytes,
        "peak_bytes_per_s": round(load.peak_bytes_per_s, 1),
        "peak_after_s": load.peak_after_s,
    }
