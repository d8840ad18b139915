"""The migrations make exactly the tables that the code speaks of."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

import distd.catalogue.engine as module
from distd.catalogue.engine import SCHEMA, create_catalogue, open_catalogue
from distd.catalogue.schema import metadata
from distd.domain.inventory import pack
from distd.domain.page import EVERYTHING
from distd.origin.computers import computers

if TYPE_CHECKING:
    import pytest


def test_the_newest_migration_is_the_schema_that_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


def test_a_migrated_database_has_the_tables_of_the_code(tmp_path: Path) -> None:
    create_catalogue(tmp_path / "catalogue.db")
    with open_catalogue(tmp_path / "catalogue.db") as catalogue, catalogue.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata) == []


def test_tables_have_the_same_options_however_they_were_made(tmp_path: Path) -> None:
    """WITHOUT ROWID, AUTOINCREMENT and partial indexes, which alembic does not compare."""
    create_catalogue(tmp_path / "catalogue.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    metadata.create_all(engine)
    with open_catalogue(tmp_path / "catalogue.db") as catalogue, catalogue.read() as conn, engine.connect() as direct:
        assert _options(conn) == _options(direct)
    engine.dispose()


def test_inventories_of_the_version_before_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but those that were sent to fill the disk: their computers are asked for another."""
    path = tmp_path / "catalogue.db"
    with monkeypatch.context() as context:
        context.setattr(module, "SCHEMA", "0004")
        create_catalogue(path)
    known = {"hardware": {"NAME": "zo\u00eb"}, "account": {"TAG": "R1"}, "networks": [{"IPADDRESS": "10.0.0.1"}]}
    huge = {"hardware": {"NAME": "x" * 2_000_000}, "account": {}, "networks": []}
    contents = {f"pc{number}": known for number in range(250)} | {"huge": huge, "none": None}
    old = sqlite3.connect(path)
    for device_id, content in contents.items():
        values = (device_id, None if content is None else json.dumps(content))
        columns = "(device_id, first_seen_at_us, last_seen_at_us, last_inventory_at_us, inventory)"
        old.execute(f"INSERT INTO computers {columns} VALUES (?, 0, 0, 7, ?)", values)
    old.commit()
    old.close()
    with open_catalogue(path) as catalogue, catalogue.read() as conn:
        found = {device_id: computers.show(conn, device_id) for device_id in contents}
    assert {each for each, detail in found.items() if detail.inventory == known} == contents.keys() - {
        "huge",
        "none",
    }
    assert (found["huge"].inventory, found["none"].inventory) == (None, None)
    assert found["huge"].computer.last_inventory_at_s is None
    assert found["pc7"].computer.last_inventory_at_s == 7 / 1_000_000


def test_what_searches_read_is_filled_from_the_inventories_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalogue.db"
    with monkeypatch.context() as context:
        context.setattr(module, "SCHEMA", "0007")
        create_catalogue(path)
    known: dict[str, Any] = {"hardware": {"NAME": "Zo\u00eb", "MEMORY": "512"}, "account": {"TAG": "Salle \u00c9"}}
    known |= {"networks": [{"IPADDRESS": "10.1.0.7", "MACADDR": "02-00-5E-10-00-01"}], "bios": {}, "is_cut": False}
    known |= {"drives": [{"LETTER": "C:/", "TYPE": "Hard Drive", "TOTAL": "1000", "FREE": "10"}]}
    known |= {"software": [{"NAME": "7-Zip", "VERSION": "24.08", "PUBLISHER": "Igor Pavlov"}, {"NAME": "Git"}]}
    content = pack(known)
    old = sqlite3.connect(path)
    for number in range(250):
        old.execute(
            "INSERT INTO computers (device_id, name, tag, serial, user_agent, first_seen_at_us, last_seen_at_us) "
            "VALUES (?, 'Zo\u00eb', 'Salle \u00c9', 'ABC', 'OCS-NG_WINDOWS_AGENT_v2.10.1.0', 0, 0)",
            (f"PC{number}",),
        )
        if number:
            old.execute("INSERT INTO inventories (computer_id, content) VALUES (?, ?)", (number + 1, content))
    old.commit()
    old.close()
    with open_catalogue(path) as catalogue, catalogue.read() as conn:
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


def _options(conn: Any) -> Any:
    rows = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND sql IS NOT NULL"))
    words = ("WITHOUT ROWID", "AUTOINCREMENT", "UNIQUE", "WHERE result IS NULL", "NOT NULL")
    return {name: {word: sql.count(word) for word in words} for name, sql in rows if not name.startswith("sqlite_")}
