"""What a stock Unix agent's log says of its turns, beside what core's scheduler says they are."""

from __future__ import annotations

import re
from itertools import permutations
from typing import TYPE_CHECKING

from distd.domain.schedule import Reason, Turn, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.records import Dialect, DownloadConfig

_LINE = re.compile(
    r"Downloading (?P<fetched>\d+)-\d+"
    r"|Download of (?P<finished>\d+)\.\.\. Finished"
    r"|Now pausing for a (?P<reason>fragment|cycle) latency => (?P<seconds>\d+) seconds"
    r"|(?P<period>New period)"
)
PERIOD = "period"


def of_log(log: str) -> list[str]:
    """A word for each turn (the package's id), each pause, each period's beginning. The agent does not log the pauses
    after periods."""
    words = []
    for line in _LINE.finditer(log):
        if line["period"]:
            words.append(PERIOD)
        elif line["reason"]:
            words.append(f"{line['reason']} {line['seconds']}")
        else:
            words.append(line["fetched"] or line["finished"])
    return words


def of_scheduler(dialect: Dialect, config: DownloadConfig, packages: Mapping[str, tuple[int, int]]) -> list[str]:
    """The same of core's scheduler. `packages`: id → priority and number of fragments, in the order of their turns."""
    live = {name: priority for name, (priority, _) in packages.items()}
    left = {name: fragments + 1 for name, (_, fragments) in packages.items()}
    words = [PERIOD]
    for step in turns(dialect, config, live):
        if not isinstance(step, Turn):
            words.append(PERIOD if step.reason is Reason.PERIOD else f"{step.reason.split()[0]} {step.seconds}")
            continue
        words.append(step.package_id)
        left[step.package_id] -= 1
        if not left[step.package_id]:
            del live[step.package_id]
    return words[:-1] if words[-1] == PERIOD else words  # no period begins with nothing to do


def differences(
    log: str, dialect: Dialect, config: DownloadConfig, packages: Mapping[str, tuple[int, int]]
) -> list[str]:
    """Where they part, in the best of all orders of the packages: a stock agent's is chance. Empty: nowhere."""
    got = of_log(log)
    found = []
    for names in permutations(packages):
        expected = of_scheduler(dialect, config, {name: packages[name] for name in names})
        if expected == got:
            return []
        first = next(
            (at for at, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other),
            min(len(expected), len(got)),
        )
        found.append((first, f"step {first + 1}: expected {expected[first : first + 5]}, got {got[first : first + 5]}"))
    return [max(found)[1]]
