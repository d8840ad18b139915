"""The catalogue's table of forecasts; as `catalogue.groups_schema`, it is of `catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from distd.catalogue.columns import time_column
from distd.catalogue.dialect import ORDERED_BY_KEY
from distd.catalogue.schema import metadata

# What was forecast of a package's deployment when it began, at `begins_at_us`. `computers`: that had the package
# assigned then, `done` of them had a result. `forecast`: JSON, as `origin.deployments.package_forecasts` writes it.
package_forecasts = Table(
    "package_forecasts",
    metadata,
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    time_column("begins_at_us"),
    Column("computers", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("forecast", Text, nullable=False),
    **ORDERED_BY_KEY,
)
