"""The figures of `make bench-transfer`: cells, slices of load, paired ratios, goals. Pure: no clock, no processes."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.results import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SIZES: Final = {"4KiB": 4096, "64KiB": 65_536, "1MiB": 1_048_576, "16MiB": 16_777_216}
CONNECTIONS: Final = (1, 32, 256)
TLS_SIZES: Final = ("64KiB", "1MiB")
TWO_WORKERS: Final = (("4KiB", "64KiB", "1MiB"), (32, 256))
# From this size on answers are counted by their bytes: too many are incomplete at the beginning and end of a slice.
BY_BYTES: Final = 1_048_576

MEAN_GOAL: Final = 1.25
LOWEST_GOAL: Final = 0.95
TLS_MEAN_GOAL: Final = 1.15
CPU_GOAL_US: Final = 25.0
CELL_FORM: Final = "[tls:]SIZE:CONNECTIONS[:WORKERS], such as 4KiB:32, tls:64KiB:1 or 1MiB:256:2"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured together: all servers with so many `workers`, for one size and so many connections."""

    size: str
    connections: int
    tls: bool = False
    workers: int = 1

    @property
    def size_bytes(self) -> int:
        """Of the fragment."""
        return SIZES[self.size]

    @property
    def kind(self) -> str:
        """What a row of a table is called: "64 KiB, TLS, 2 workers"."""
        parts = [re.sub(r"(\d+)", r"\1 ", self.size)]
        parts += ["TLS"] if self.tls else []
        parts += [f"{self.workers} workers"] if self.workers > 1 else []
        return ", ".join(parts)

    def __str__(self) -> str:
        return f"{self.kind}, c = {self.connections}"


def parse_cells(text: str) -> list[Cell]:
    """Cells from "4KiB:32,tls:64KiB:1,1MiB:256:2". Raises `ValueError` with the wrong part and what was expected."""
    return [_parse_cell(part.strip()) for part in text.split(",")]


def _parse_cell(text: str) -> Cell:
    match = re.fullmatch(rf"(tls:)?({'|'.join(SIZES)}):([1-9]\d{{0,3}})(?::([1-9]))?", text)
    if match is None:
        raise ValueError(f"expected {CELL_FORM}, got {text!r}")
    return Cell(match[2], int(match[3]), bool(match[1]), int(match[4] or 1))


def default_cells(connections: Sequence[int] = CONNECTIONS) -> list[Cell]:
    """All cells of the goals, as far as they have so many connections, and some with two workers."""
    plain = [Cell(size, count) for size in SIZES for count in CONNECTIONS]
    tls = [Cell(size, count, tls=True) for size in TLS_SIZES for count in CONNECTIONS]
    sizes, counts = TWO_WORKERS
    two = [Cell(size, count, workers=2) for size in sizes for count in counts]
    return [cell for cell in (*plain, *tls, *two) if cell.connections in connections]


@dataclass(frozen=True, slots=True)
class Slice:
    """One server under load for a few seconds.

    `requests`: answered completely; `answers`: the same, or counted by bytes; `cpu_s`: of the server's processes;
    `load_cpu_s`: of the load; `pss_bytes`: halfway through; `failure`: why the slice does not count, or "".
    """

    requests: int
    answers: float
    received_bytes: int
    duration_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    cpu_s: float
    load_cpu_s: float
    pss_bytes: int
    failure: str = ""

    @property
    def requests_per_s(self) -> float:
        """Answers a second."""
        return self.answers / self.duration_s


def failed(why: str) -> Slice:
    """A slice that failed, with the reason."""
    return Slice(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, why)


# Header and value of the columns for a slice that did not fail; None where there were too few answers.
FIGURES: Final[Mapping[str, Callable[[Slice], float | None]]] = {
    "requests/s": lambda piece: piece.requests_per_s,
    "MB/s": lambda piece: piece.received_bytes / piece.duration_s / 1e6,
    "p50 ms": lambda piece: piece.p50_us / 1e3 if piece.requests >= 1 else None,
    "p99 ms": lambda piece: piece.p99_us / 1e3 if piece.requests >= 100 else None,
    "p99.9 ms": lambda piece: piece.p999_us / 1e3 if piece.requests >= 1000 else None,
    "CPU µs/request": lambda piece: piece.cpu_s * 1e6 / piece.answers,
    "CPU s/GB": lambda piece: piece.cpu_s * 1e9 / piece.received_bytes,
    "memory MB": lambda piece: piece.pss_bytes / 1e6,
    "CPUs busy": lambda piece: piece.cpu_s / piece.duration_s,
    "CPUs busy, load": lambda piece: piece.load_cpu_s / piece.duration_s,
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratios of paired rounds: their median, the lowest, the highest, and each."""

    median: float
    low: float
    high: float
    rounds: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Result:
    """A cell's slices, round after round, by server. `names` of `nginx` are those of its configurations."""

    cell: Cell
    slices: Mapping[str, Sequence[Slice]]
    nginx: Sequence[str]

    @property
    def best_nginx(self) -> str:
        """The configuration with the best median of requests/s in this cell; any, where all failed always."""
        return max(self.nginx, key=lambda name: self.median(name, "requests/s") or 0)

    @property
    def ratio(self) -> Ratio | None:
        """To the best nginx."""
        return self.ratio_to(self.best_nginx)

    def ratio_to(self, name: str) -> Ratio | None:
        """The ratio of requests/s to those of another, in rounds in which neither failed; None where there is none."""
        pairs = zip(self.slices["distd"], self.slices[name], strict=True)
        rounds = tuple(
            ours.requests_per_s / theirs.requests_per_s for ours, theirs in pairs if not ours.failure + theirs.failure
        )
        return Ratio(statistics.median(rounds), min(rounds), max(rounds), rounds) if rounds else None

    def median(self, name: str, figure: str) -> float | None:
        """Of the slices of a server that did not fail and have the figure; None where there is none."""
        figures = (FIGURES[figure](piece) for piece in self.slices[name] if not piece.failure)
        values = [value for value in figures if value is not None]
        return statistics.median(values) if values else None

    def answered(self, name: str) -> bool:
        """Whether any slice of a server did not fail."""
        return not all(piece.failure for piece in self.slices[name])

    def failures(self) -> Iterator[str]:
        """A line for each slice that failed."""
        for name, slices in self.slices.items():
            for number, piece in enumerate(slices, 1):
                if piece.failure:
                    yield f"{self.cell}: {name}, round {number}: {piece.failure}"


@dataclass(frozen=True, slots=True)
class Goal:
    """`verdict`: "met", "within the noise", "NOT MET", or "" where there is no goal."""

    what: str
    value: str
    goal: str
    verdict: str


def goals(results: Sequence[Result]) -> list[Goal]:
    """The goals for which these cells have figures."""
    plain = [result for result in results if not result.cell.tls]
    tls = [result for result in results if result.cell.tls]
    small = [result for result in plain if result.cell.size == "4KiB" and result.cell.workers == 1]
    return [
        *_mean("geometric mean of the HTTP cells", plain, MEAN_GOAL),
        *_mean("… of those with one worker", [result for result in plain if result.cell.workers == 1]),
        *_mean("… of those with more workers", [result for result in plain if result.cell.workers > 1]),
        *_lowest("lowest HTTP cell", plain, LOWEST_GOAL),
        *_mean("geometric mean of the TLS cells", tls, TLS_MEAN_GOAL),
        *_lowest("lowest TLS cell", tls, LOWEST_GOAL),
        *_cpu(
            "CPU of a 4 KiB request, at c ≥ 32",
            [result for result in small if result.cell.connections >= 32],
            CPU_GOAL_US,
        ),
        *_cpu("… at c = 1, where each wakes the server", [result for result in small if result.cell.connections == 1]),
        _without_failures(results),
    ]


def _mean(what: str, results: Sequence[Result], goal: float | None = None) -> Iterator[Goal]:
    ratios = [result.ratio.median for result in results if result.ratio is not None]
    if ratios:
        value = statistics.geometric_mean(ratios)
        judged = (f"≥ {goal:.2f}", verdict(value >= goal)) if goal is not None else ("", "")
        yield Goal(f"{what} ({len(ratios)})", f"{value:.3f}", *judged)


def _lowest(what: str, results: Sequence[Result], goal: float) -> Iterator[Goal]:
    """Within the noise: every cell whose median is below the goal reached the goal in a round."""
    ratios = [(result.ratio, result.cell) for result in results if result.ratio is not None]
    if ratios:
        ratio, cell = min(ratios, key=lambda pair: pair[0].median)
        below = [ratio for ratio, _ in ratios if ratio.median < goal]
        noise = all(ratio.high >= goal for ratio in below)
        judgement = "within the noise" if below and noise else verdict(not below)
        text = f"{ratio}: {cell}" + (f"; {len(below)} of {len(ratios)} below" if below else "")
        yield Goal(what, text, f"≥ {goal:.2f}", judgement)


def _cpu(what: str, results: Sequence[Result], goal_us: float | None = None) -> Iterator[Goal]:
    """The highest of the cells' medians."""
    values = [value for result in results if (value := result.median("distd", "CPU µs/request")) is not None]
    if values:
        judged = (f"≤ {goal_us:g} µs", verdict(max(values) <= goal_us)) if goal_us is not None else ("", "")
        yield Goal(what, f"{max(values):.1f} µs", *judged)


def _without_failures(results: Sequence[Result]) -> Goal:
    count = sum(bool(piece.failure) for result in results for piece in result.slices["distd"])
    return Goal("slices in which distd failed", str(count), "0", verdict(count == 0))
