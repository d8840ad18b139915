"""What a migration would do, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.catalogue.engine import SCHEMA, alembic_config
from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """A revision, and what it does, in a sentence."""

    revision: str
    title: str


def all_revisions() -> list[str]:
    """The revisions that this version knows, the first one first."""
    return [step.revision for step in _steps(None)]


def steps_from(found: str | None) -> Sequence[Step]:
    """The steps from the schema `found` to this version's. Raises `BadInput` where it is none that this version knows;
    None: there is no schema."""
    if found not in all_revisions():
        raise BadInput("data", f"a catalogue of a schema from 0001 to {SCHEMA}", f"schema {found}")
    return _steps(found)


def _steps(found: str | None) -> list[Step]:
    from alembic.script import ScriptDirectory  # here, because it costs 0.1 s that other commands do not need

    scripts = ScriptDirectory.from_config(alembic_config()).iterate_revisions(SCHEMA, found or "base")
    return [Step(script.revision, script.doc) for script in reversed(list(scripts))]
