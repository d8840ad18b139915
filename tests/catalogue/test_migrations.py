"""The migrations make exactly the tables that the code speaks of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

import distd.catalogue.engine as module
from distd.catalogue.engine import SCHEMA, create_catalogue, open_catalogue
from distd.catalogue.schema import metadata


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


def _options(conn: Any) -> Any:
    rows = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND sql IS NOT NULL"))
    words = ("WITHOUT ROWID", "AUTOINCREMENT", "UNIQUE", "WHERE result IS NULL", "NOT NULL")
    return {name: {word: sql.count(word) for word in words} for name, sql in rows if not name.startswith("sqlite_")}
