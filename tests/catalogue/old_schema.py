"""Catalogues as earlier versions made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command

from distd.catalogue.engine import alembic_config

if TYPE_CHECKING:
    from distd.catalogue.dialect.database import Database


def make_old(place: Database, schema: str) -> None:
    """An empty catalogue of an earlier schema at an empty place, by the migrations up to there."""
    engine, config = place.make_engine(), alembic_config()
    place.prepare_new(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, schema)
    engine.dispose()
