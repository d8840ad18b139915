"""The migrations make exactly the tables that the code speaks of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import distd.catalogue.engine as module
from distd.catalogue.engine import SCHEMA, open_catalogue
from distd.catalogue.tables import metadata
from distd.domain.inventory import pack
from distd.domain.page import EVERYTHING
from distd.origin.computers import computers
from tests.catalogue.old_schema import make_old


def test_the_newest_migration_is_the_schema_that_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


@pytest.fixture
def migrated(database: Any) -> Any:
    """A catalogue of the first version, brought to this one by every step."""
    place = database.make(empty=True)
    make_old(place, "0001")
    return place


def test_a_migrated_database_has_the_tables_of_the_code(migrated: Any, database: Any) -> None:
    with open_catalogue(migrated) as catalogue, catalogue.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn, opts=_compared(database)), metadata) == []


def test_tables_have_the_same_options_however_they_were_made(migrated: Any, database: Any) -> None:
    """What alembic does not compare: the order of rows and of texts, ids that are not given again, conditions of
    indexes, what columns have where nothing is given."""
    options = OPTIONS[database.kind]
    with open_catalogue(migrated) as catalogue, catalogue.read() as conn:
        found = options(conn)
    with open_catalogue(database.place) as catalogue, catalogue.read() as conn:
        assert found == options(conn)
        assert conn.scalar(text("SELECT version_num FROM alembic_version")) == SCHEMA


def test_inventories_of_the_version_before_are_taken_over(database: Any) -> None:
    """All but those that were sent to fill the disk: their computers are asked for another."""
    place = database.make(empty=True)
    make_old(place, "0004")
    known = {"hardware": {"NAME": "zo\u00eb"}, "account": {"TAG": "R1"}, "networks": [{"IPADDRESS": "10.0.0.1"}]}
    huge = {"hardware": {"NAME": "x" * 2_000_000}, "account": {}, "networks": []}
    contents = {f"pc{number}": known for number in range(250)} | {"huge": huge, "none": None}
    engine = place.make_engine()
    with engine.begin() as old:
        for device_id, content in contents.items():
            values = {"device_id": device_id, "content": None if content is None else json.dumps(content)}
            columns = "(device_id, first_seen_at_us, last_seen_at_us, last_inventory_at_us, inventory)"
            rows = "(:device_id, 0, 0, 7, CAST(:content AS json))" if database.kind == "postgresql" else INVENTORY
            old.execute(text(f"INSERT INTO computers {columns} VALUES {rows}"), values)
    engine.dispose()
    with open_catalogue(place) as catalogue, catalogue.read() as conn:
        found = {device_id: computers.show(conn, device_id) for device_id in contents}
    assert {each for each, detail in found.items() if detail.inventory == known} == contents.keys() - {
        "huge",
        "none",
    }
    assert (found["huge"].inventory, found["none"].inventory) == (None, None)
    assert found["huge"].computer.last_inventory_at_s is None
    assert found["pc7"].computer.last_inventory_at_s == 7 / 1_000_000


def test_what_searches_read_is_filled_from_the_inventories_that_are_kept(database: Any) -> None:
    place = database.make(empty=True)
    make_old(place, "0007")
    known: dict[str, Any] = {"hardware": {"NAME": "Zo\u00eb", "MEMORY": "512"}, "account": {"TAG": "Salle \u00c9"}}
    known |= {"networks": [{"IPADDRESS": "10.1.0.7", "MACADDR": "02-00-5E-10-00-01"}], "bios": {}, "is_cut": False}
    known |= {"drives": [{"LETTER": "C:/", "TYPE": "Hard Drive", "TOTAL": "1000", "FREE": "10"}]}
    known |= {"software": [{"NAME": "7-Zip", "VERSION": "24.08", "PUBLISHER": "Igor Pavlov"}, {"NAME": "Git"}]}
    content = pack(known)
    engine = place.make_engine()
    with engine.begin() as old:
        for number in range(250):
            old.execute(
                text(
                    "INSERT INTO computers "
                    "(device_id, name, tag, serial, user_agent, first_seen_at_us, last_seen_at_us) "
                    "VALUES (:device_id, 'Zo\u00eb', 'Salle \u00c9', 'ABC', 'OCS-NG_WINDOWS_AGENT_v2.10.1.0', 0, 0)"
                ),
                {"device_id": f"PC{number}"},
            )
            if number:
                kept = {"computer_id": number + 1, "content": content}
                columns = "(computer_id, content) VALUES (:computer_id, :content)"
                old.execute(text(f"INSERT INTO inventories {columns}"), kept)
    engine.dispose()
    with open_catalogue(place) as catalogue, catalogue.read() as conn:
        detail = computers.show(conn, "PC249")
        listed = computers.software_of(conn, "PC249", None, EVERYTHING).items
        row = conn.execute(text("SELECT * FROM computers WHERE device_id = 'PC249'")).one()
        empty = computers.show(conn, "PC0")
        assert conn.scalar(text("SELECT count(*) FROM software")) == 2
    assert (row.device_id_key, row.name_key, row.tag_key, row.serial_key) == ("pc249", "zoe", "salle e", "abc")
    assert (row.agent, row.agent_version, row.memory_bytes) == ("OCS-NG_WINDOWS_AGENT", "2.10.1.0", 512 * 1_048_576)
    assert detail.accounts == {"TAG": "Salle \u00c9"}
    assert [(each.ip, each.mac) for each in detail.interfaces] == [("10.1.0.7", "02:00:5e:10:00:01")]
    assert [(each.letter, each.free_bytes) for each in detail.drives] == [("C:", 10 * 1_048_576)]
    assert [(each.name, each.version) for each in listed] == [("7-Zip", "24.08"), ("Git", "")]
    assert (empty.software, empty.computer.agent) == (0, "OCS-NG_WINDOWS_AGENT")


INVENTORY = "(:device_id, 0, 0, 7, :content)"


def _compared(database: Any) -> dict[str, Any]:
    """PostgreSQL's types are other ones than the code names: `test_tables_have_the_same_options` compares those."""
    return {"compare_type": database.kind == "sqlite"}


def _options_of_sqlite(conn: Any) -> Any:
    rows = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND sql IS NOT NULL"))
    words = ("WITHOUT ROWID", "AUTOINCREMENT", "UNIQUE", "WHERE result IS NULL", "NOT NULL", "DEFAULT")
    return {name: {word: sql.count(word) for word in words} for name, sql in rows if not name.startswith("sqlite_")}


def _options_of_postgresql(conn: Any) -> Any:
    columns = conn.execute(
        text(
            "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
        )
    )
    indexes = conn.execute(
        text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
    )
    return sorted(map(tuple, columns)), sorted(map(tuple, indexes))


OPTIONS = {"sqlite": _options_of_sqlite, "postgresql": _options_of_postgresql}
