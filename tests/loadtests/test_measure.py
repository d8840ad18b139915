from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from loadtests.measure import Cell, default_cells, failed, goals, parse_cells

SMALL = Cell("4KiB", 32)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        pytest.param("4KiB:32", [Cell("4KiB", 32)], id="size and connections"),
        pytest.param("tls:64KiB:1", [Cell("64KiB", 1, tls=True)], id="TLS"),
        pytest.param("1MiB:256:2", [Cell("1MiB", 256, workers=2)], id="workers"),
        pytest.param("4KiB:1, tls:1MiB:32:2", [Cell("4KiB", 1), Cell("1MiB", 32, tls=True, workers=2)], id="several"),
    ],
)
def test_cells_are_read(text: str, cells: list[Cell]) -> None:
    assert parse_cells(text) == cells


@pytest.mark.parametrize("text", ["", "4KiB", "5KiB:1", "4KiB:0", "ssl:4KiB:1", "4KiB:1:0", "4KiB:1,", "4KiB:1:2:3"])
def test_what_is_no_cell_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected \[tls:\]SIZE:CONNECTIONS.*got"):
        parse_cells(text)


def test_the_cells_of_the_goals() -> None:
    kinds = Counter((cell.tls, cell.workers) for cell in default_cells())
    assert kinds == {(False, 1): 12, (True, 1): 6, (False, 2): 6}
    assert {cell.connections for cell in default_cells((1, 256))} == {1, 256}


def test_a_cell_is_named_in_full() -> None:
    assert str(Cell("64KiB", 32, tls=True, workers=2)) == "64 KiB, TLS, 2 workers, c = 32"


def test_a_ratio_is_the_median_of_paired_rounds_and_not_the_ratio_of_medians(result: Any) -> None:
    # The machine slows down: each round pairs what was measured together.
    found = result(SMALL, [4000, 2200, 1000], sendfile=[2000, 1000, 500])
    assert found.ratio is not None
    assert found.ratio.rounds == (2.0, 2.2, 2.0)
    assert (found.ratio.low, found.ratio.median, found.ratio.high) == (2.0, 2.0, 2.2)
    assert str(found.ratio) == "2.00 (2.00–2.20)"


def test_the_best_nginx_is_that_with_the_best_median(result: Any) -> None:
    found = result(SMALL, [1000] * 3, sendfile=[900, 5000, 900], read=[950, 950, 950])
    assert found.best_nginx == "nginx read"


def test_a_failed_slice_is_listed_and_does_not_count(result: Any, piece: Any) -> None:
    quick = piece(90_000, "90000 answers with an error status")
    found = result(SMALL, [1100, quick, 1100], sendfile=[1000, 1000, failed("refused")])
    assert found.ratio is not None
    assert found.ratio.rounds == (1.1,)
    assert found.median("distd", "requests/s") == 1100
    assert list(found.failures()) == [
        "4 KiB, c = 32: distd, round 2: 90000 answers with an error status",
        "4 KiB, c = 32: nginx sendfile, round 3: refused",
    ]


def test_a_server_that_failed_always_is_never_the_best_and_has_no_ratio(result: Any) -> None:
    gone = [failed("the server has gone")] * 2
    found = result(SMALL, [1000, 1000], sendfile=gone, apache=gone)
    assert found.best_nginx == "nginx read"
    assert found.ratio_to("Apache") is None
    assert found.median("Apache", "CPU s/GB") is None
    assert not found.answered("Apache")


def test_figures_have_their_units(result: Any, piece: Any) -> None:
    found = result(SMALL, [piece(1000, received_bytes=2_000_000_000, duration_s=2.0, cpu_s=0.5)])
    shown = {name: found.median("distd", name) for name in ("requests/s", "MB/s", "CPU µs/request", "CPU s/GB")}
    assert shown == {"requests/s": 500, "MB/s": 1000, "CPU µs/request": 500, "CPU s/GB": 0.25}
    assert found.median("distd", "p99 ms") == 1.5
    assert found.median("distd", "CPUs busy") == 0.25


@pytest.mark.parametrize(
    ("requests", "known"),
    [
        pytest.param(0, set(), id="none finished"),
        pytest.param(99, {"p50 ms"}, id="99"),
        pytest.param(100, {"p50 ms", "p99 ms"}, id="100"),
        pytest.param(1000, {"p50 ms", "p99 ms", "p99.9 ms"}, id="1000"),
    ],
)
def test_a_percentile_needs_answers_enough(result: Any, piece: Any, requests: int, known: set[str]) -> None:
    found = result(Cell("16MiB", 256), [piece(requests, answers=20.5)])
    assert {name for name in ("p50 ms", "p99 ms", "p99.9 ms") if found.median("distd", name) is not None} == known
    assert found.answered("distd")


def verdicts(results: Any) -> dict[str, str]:
    return {goal.what: goal.verdict for goal in goals(results)}


def test_the_mean_of_the_ratios_is_geometric(result: Any) -> None:
    found = goals([result(SMALL, [2000, 2000]), result(Cell("1MiB", 32), [500, 500])])
    assert (found[0].what, found[0].value) == ("geometric mean of the HTTP cells (2)", "1.000")


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        pytest.param([950, 950, 950], "met", id="at the goal"),
        pytest.param([890, 800, 950], "within the noise", id="a round reached it"),
        pytest.param([890, 800, 899], "NOT MET", id="none reached it"),
    ],
)
def test_no_cell_below_beyond_the_noise(result: Any, ours: list[int], verdict: str) -> None:
    found = goals([result(SMALL, ours), result(Cell("1MiB", 1), [3000] * 3)])
    lowest = next(goal for goal in found if goal.what == "lowest HTTP cell")
    assert lowest.verdict == verdict
    assert "4 KiB, c = 32" in lowest.value


def test_one_cell_beyond_the_noise_is_not_hidden_by_one_within(result: Any) -> None:
    cells = [result(SMALL, [400, 950, 400]), result(Cell("1MiB", 1), [850, 850, 850])]
    assert verdicts(cells)["lowest HTTP cell"] == "NOT MET"


def test_tls_is_judged_apart(result: Any) -> None:
    found = verdicts([result(SMALL, [1300, 1300]), result(Cell("1MiB", 32, tls=True), [940, 940])])
    assert found["geometric mean of the HTTP cells (1)"] == "met"
    assert found["geometric mean of the TLS cells (1)"] == "NOT MET"
    assert found["lowest TLS cell"] == "NOT MET"


@pytest.mark.parametrize(("cpu_us", "verdict"), [(25, "met"), (26, "NOT MET")])
def test_cpu_of_a_small_request(result: Any, piece: Any, cpu_us: int, verdict: str) -> None:
    found = verdicts([result(SMALL, [piece(1000, cpu_s=cpu_us / 1000)])])
    assert found["CPU of a 4 KiB request, at c ≥ 32"] == verdict


def test_a_failure_of_distd_meets_no_goal(result: Any) -> None:
    found = verdicts([result(SMALL, [failed("the server has gone"), 1200])])
    assert found["slices in which distd failed"] == "NOT MET"


def test_cells_that_were_not_measured_judge_nothing(result: Any) -> None:
    found = verdicts([result(Cell("64KiB", 1, tls=True), [1000])])
    assert set(found) == {"geometric mean of the TLS cells (1)", "lowest TLS cell", "slices in which distd failed"}
