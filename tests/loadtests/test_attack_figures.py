"""How an attack is judged: each goal can be missed, by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadtests.attack_figures import COLUMNS, AttackResult, AttackRound, goal_rows, tables
from loadtests.results import NOT_MET, missed

QUIET = AttackRound(
    quiet_s=[0.004] * 95 + [0.01] * 5,
    attacked_s=[0.005] * 95 + [0.02] * 5,
    log_ins_s=[0.1],
    memory_bytes=100_000_000,
    kept_bytes=1_000_000,
    disk_bytes=0,
    log_bytes=1200,
    tracebacks=0,
    statuses={"200": 500, "404": 3, "503": 7, "505": 1},
    failures={"health: status 503": 2},
    quiet_failures={},
    lost=[],
    connections=11,
    sent_bytes=1_500_000,
)


def results(*rounds: AttackRound, count: int = 20) -> list[AttackResult]:
    return [AttackResult(f"attack {number}", list(rounds)) for number in range(count)]


def test_goals_that_are_just_met() -> None:
    assert missed(row for table in tables(results(QUIET), 100_000_000) for row in table.rows) == []


@pytest.mark.parametrize(
    ("change", "goal"),
    [
        pytest.param({"attacked_s": [0.005] * 98 + [0.021] * 2}, "p99", id="p99"),
        pytest.param({"log_ins_s": [0.1, 1.1]}, "a log-in", id="log-in"),
        pytest.param({"memory_bytes": 101_000_000}, "memory at most", id="memory"),
        pytest.param({"statuses": {"200": 5, "500": 1}}, "no 5xx", id="a 500"),
        pytest.param({"statuses": {"200": 5, "502": 1}}, "no 5xx", id="a 502"),
        pytest.param({"tracebacks": 1}, "no traceback", id="traceback"),
        pytest.param({"lost": ["package 17"]}, "nothing lost", id="lost"),
        pytest.param({"quiet_failures": {"health: no answer": 1}}, "the honest client", id="not served before"),
    ],
)
def test_each_goal_can_be_missed(change: dict[str, Any], goal: str) -> None:
    bad = AttackResult("bad", [replace(QUIET, **change)])
    found, goals = tables([*results(QUIET), bad], 0)
    assert missed(found.rows) == ["bad"]
    (what,) = missed(goals.rows)
    assert what.startswith(goal)


@pytest.mark.parametrize(
    ("count", "kept_bytes", "goal"),
    [
        pytest.param(19, 0, "attacks", id="too few"),
        pytest.param(20, 100_100_000, "memory after", id="what is kept, over all"),
    ],
)
def test_goals_over_all_can_be_missed(count: int, kept_bytes: int, goal: str) -> None:
    (what,) = missed(goal_rows(results(QUIET, count=count), kept_bytes))
    assert what.startswith(goal)


def test_an_attack_that_did_not_come_through_is_none() -> None:
    idle = AttackResult("idle", [QUIET, replace(QUIET, connections=0)])
    found, goals = tables([*results(QUIET, count=19), idle], 0)
    assert (missed(found.rows), missed(goals.rows)) == (["idle"], ["attacks"])


def test_nothing_measured_meets_no_goal() -> None:
    assert all(row[-1] == NOT_MET for row in goal_rows([], 0)[:-1])


def test_the_ratio_is_the_median_of_pairs_and_the_rest_the_worst() -> None:
    rounds = [
        replace(QUIET, quiet_s=[0.01], attacked_s=[0.01 * ratio], log_ins_s=[ratio / 10], memory_bytes=ratio)
        for ratio in (9, 1, 2)
    ]
    result = AttackResult("x", rounds)
    assert result.ratio == pytest.approx(2)
    assert (result.log_in_s, result.memory_mb) == (0.9, 9e-6)


def test_a_row_has_a_cell_for_each_column() -> None:
    row = dict(zip(COLUMNS, AttackResult("x", [QUIET, QUIET]).row(), strict=True))
    assert row["p99 quiet, ms"] == "10.0"
    assert (row["ratio"], row["log, kB"], row["failed"], row["connections"]) == ("2.00", "2", "4", "22")
    assert (row["sent, MB"], row[""]) == ("3.0", "met")
