"""Every schema that there was is brought to this one, with whatever is in its tables; and what that takes is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData

from distd.catalogue.checking import check_catalogue
from distd.catalogue.engine import SCHEMA, open_as_it_is, open_catalogue
from distd.catalogue.migration_steps import Step, all_revisions, steps_from
from distd.catalogue.tables import metadata
from distd.domain.errors import BadInput
from tests.catalogue.old_schema import make_old
from tests.catalogue.rows import fill

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table


def test_the_steps_that_are_missing() -> None:
    assert steps_from("0005")[0] == Step("0006", "What agents only claim is told from what this server has delivered.")
    assert [step.revision for step in steps_from("0001")] == all_revisions()[1:]
    assert (all_revisions()[0], all_revisions()[-1]) == ("0001", SCHEMA)
    assert steps_from(SCHEMA) == []


@pytest.mark.parametrize("found", [None, "9999", "copying 0007"])
def test_a_schema_that_is_not_known_is_refused(found: str | None) -> None:
    with pytest.raises(
        BadInput, match=f"data: expected a catalogue of a schema from 0001 to {SCHEMA}, got schema {found}"
    ):
        steps_from(found)


@pytest.mark.parametrize("revision", all_revisions())
def test_rows_of_every_schema_so_far_are_kept(database: Any, revision: str) -> None:
    """Columns that are gone by now were taken over into others, which has tests of its own."""
    place = database.make(empty=True)
    make_old(place, revision)
    before = MetaData()
    with open_as_it_is(place) as catalogue, catalogue.write() as conn:
        before.reflect(conn)
        before.remove(before.tables["alembic_version"])
        fill(conn, before)
        rows = {table.name: _rows(conn, table) for table in before.sorted_tables}
    with open_catalogue(place) as catalogue, catalogue.read() as conn:
        # The rows have ids that no database has counted.
        assert [fault for fault in check_catalogue(conn).faults if "the next" not in fault] == []
        for table in before.sorted_tables:
            known = metadata.tables[table.name]
            kept = [column.name for column in table.columns if column.name in known.columns]
            assert len(kept) >= len(table.columns) - 1
            assert _only(_rows(conn, known), kept) == _only(rows[table.name], kept), table.name


def _rows(conn: Connection, table: Table) -> list[dict[str, Any]]:
    return [dict(row) for row in conn.execute(table.select()).mappings()]


def _only(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    return sorted(repr([row[name] for name in names]) for row in rows)
