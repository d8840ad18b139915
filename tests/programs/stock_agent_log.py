"""The turns in a stock Unix agent's log, compared with those of `distd.domain.schedule`."""

from __future__ import annotations

import re
from itertools import permutations
from typing import TYPE_CHECKING

from distd.domain.schedule import Reason, Turn, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.records import Dialect
    from distd.domain.settings import DownloadConfig

_LINE = re.compile(
    r"Downloading (?P<fetched>\d+)-\d+"
    r"|Download of (?P<finished>\d+)\.\.\. Finished"
    r"|Now pausing for a (?P<reason>fragment|cycle) latency => (?P<seconds>\d+) seconds"
    r"|(?P<period>New period)"
)
PERIOD = "period"


def logged_steps(log: str) -> list[str]:
    """A text for each turn (the package's id), each pause ("cycle 2"), each beginning of a period.

    The agent does not log the pauses after periods.
    """
    steps = []
    for line in _LINE.finditer(log):
        if line["period"]:
            steps.append(PERIOD)
        elif line["reason"]:
            steps.append(f"{line['reason']} {line['seconds']}")
        else:
            steps.append(line["fetched"] or line["finished"])
    return steps


def scheduled_steps(dialect: Dialect, config: DownloadConfig, packages: Mapping[str, tuple[int, int]]) -> list[str]:
    """The same, as the scheduler makes them.

    `packages`: id → priority and number of fragments, in the order of their turns.
    """
    live = {name: priority for name, (priority, _) in packages.items()}
    left = {name: fragments + 1 for name, (_, fragments) in packages.items()}
    steps = [PERIOD]
    for step in turns(dialect, config, live):
        if not isinstance(step, Turn):
            steps.append(PERIOD if step.reason is Reason.PERIOD else f"{step.reason.split()[0]} {step.seconds}")
            continue
        steps.append(step.package_id)
        left[step.package_id] -= 1
        if not left[step.package_id]:
            del live[step.package_id]
    return steps[:-1] if steps[-1] == PERIOD else steps  # a period begins only where a package is left


def differences(
    log: str, dialect: Dialect, config: DownloadConfig, packages: Mapping[str, tuple[int, int]]
) -> list[str]:
    """The first difference, for the order of packages that agrees best: the stock agent's order is random.

    A list with one text; an empty one where there is no difference.
    """
    got = logged_steps(log)
    differences = []
    for names in permutations(packages):
        expected = scheduled_steps(dialect, config, {name: packages[name] for name in names})
        if expected == got:
            return []
        first = next(
            (at for at, (wanted, found) in enumerate(zip(expected, got, strict=False)) if wanted != found),
            min(len(expected), len(got)),
        )
        differences.append(
            (first, f"step {first + 1}: expected {expected[first : first + 5]}, got {got[first : first + 5]}")
        )
    return [max(differences)[1]]
