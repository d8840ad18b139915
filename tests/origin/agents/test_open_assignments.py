"""What is open is found by an index that holds nothing else, however much an agent has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.origin.agents.open_assignments import _OPEN
from tests.fixtures.databases import sqlite_database

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

__all__ = ["sqlite_database"]  # whose plans depend on which indexes there are, not on what is in the tables


def test_a_prolog_reads_no_assignments_that_have_ended(origin: TestOrigin) -> None:
    with origin.catalogue.read() as conn:
        options = {"literal_binds": True, "render_postcompile": True}
        query = _OPEN.params(ids=[1, 2]).compile(dialect=conn.dialect, compile_kwargs=options)
        plan = [str(row.detail) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert plan[0].startswith("SEARCH assignments USING INDEX ix_assignments_open "), plan
