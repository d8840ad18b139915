"""All tables of the catalogue, whichever module they stand in."""

from __future__ import annotations

from typing import Final

from distd.catalogue import (
    access_schema,
    forecasts_schema,
    groups_schema,
    jobs_schema,
    mirrors_schema,
    notices_schema,
    recurring_schema,
    rollouts_schema,
    schema,
    sessions_schema,
)

# The modules that have tables; each puts its own into the metadata that they share.
MODULES: Final = (
    *(schema, groups_schema, mirrors_schema, access_schema, jobs_schema, sessions_schema, rollouts_schema),
    *(recurring_schema, notices_schema, forecasts_schema),
)

metadata: Final = schema.metadata
