"""The searches of `make bench-search`, in small: distd and OCS's tables find the same computers."""

from __future__ import annotations

import re

import pytest

from loadtests import search
from loadtests.results import MET, NOT_MET
from loadtests.search_cases import CASES, SearchCase

COMPUTERS = 150
ROWS = len(CASES) * len(search.QUESTIONS)


def test_without_mariadb() -> None:
    (table,) = search.tables(["sqlite"], COMPUTERS, 1, with_ocs=False)
    assert table.title.startswith(f"Searches on SQLite: {COMPUTERS} computers, ")
    assert len(table.rows) == ROWS
    for row in table.rows:
        assert row[1].endswith(" ms")
        assert row[2:4] == ["", ""]
        assert row[5] in (MET, NOT_MET) if row[4] else not row[5]


@pytest.mark.needs("mariadbd")
def test_beside_mariadb() -> None:
    (table,) = search.tables(["sqlite"], COMPUTERS, 2)
    assert len(table.rows) == ROWS  # none more, which would tell of a difference
    for row in table.rows:
        assert row[2].endswith(" ms")
        assert "–" in row[3]


@pytest.mark.needs("mariadbd")
def test_a_difference_is_a_goal_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SearchCase('os ~ "*windows*"', CASES[5].ocs)
    monkeypatch.setattr(search, "CASES", [wrong])
    (table,) = search.tables(["sqlite"], 20, 1)
    assert re.fullmatch(r"\d+ on SQLite, \d+ on MariaDB", table.rows[-1][1])
    assert table.rows[-1][-1] == NOT_MET
