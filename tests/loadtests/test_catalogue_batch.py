"""What a batch costs: statements by verb and table, parts as medians in their order."""

from __future__ import annotations

import pytest

from loadtests.catalogue_batch import ALL, COMMIT, READ, REST, kind_of, medians_ms

STATEMENTS = {
    "SELECT a, b \nFROM computers \nWHERE x IN (1)": "SELECT computers",
    "INSERT INTO events (a) SELECT a FROM ROWS FROM (x)": "INSERT events",
    "UPDATE computers SET a = v.a FROM unnest(x) AS v": "UPDATE computers",
    'DELETE FROM "history" WHERE x': "DELETE history",
    "BEGIN IMMEDIATE": "BEGIN",
}


@pytest.mark.parametrize(("statement", "kind"), STATEMENTS.items())
def test_statements_by_verb_and_table(statement: str, kind: str) -> None:
    assert kind_of(statement) == kind


def test_parts_are_medians_in_milliseconds() -> None:
    """A statement that a batch did not have took it no time; what every batch has stands at the end."""
    batches = [
        {READ: 0.001, "SELECT a": 0.002, REST: 0.001, COMMIT: 0.003, ALL: 0.007},
        {READ: 0.002, "SELECT a": 0.004, "UPDATE a": 0.009, REST: 0.002, COMMIT: 0.001, ALL: 0.018},
        {READ: 0.003, "SELECT a": 0.003, REST: 0.009, COMMIT: 0.002, ALL: 0.017},
    ]
    found = medians_ms(batches)
    assert list(found) == [READ, "SELECT a", "UPDATE a", REST, COMMIT, ALL]
    assert found == pytest.approx({READ: 2, "SELECT a": 3, "UPDATE a": 0, REST: 2, COMMIT: 2, ALL: 17})
