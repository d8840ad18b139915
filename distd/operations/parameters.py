"""Parameters of agents: the site's, a group's, a computer's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from distd.domain.parameters import ON, PARAMETERS, Effective, Level, check_values, typed
from distd.domain.permissions import Act
from distd.domain.settings import TABLE
from distd.operations.operation import Operation, Way
from distd.origin.computers import parameters
from distd.origin.computers.parameters import Subject, ValueChange  # noqa: TC001 - answers have it

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from distd.domain.parameters import Number
    from distd.operations.operation import Asked


@dataclass(frozen=True, slots=True)
class ParametersChange:
    """The parameters that hold now, by their names. With `dry_run` nothing is changed, and `changes` says how many
    computers would get which other values."""

    dry_run: bool
    changes: list[ValueChange]
    parameters: dict[str, Effective]


def _type_of(name: str) -> Any:
    setting = TABLE[name]
    value: Any = (
        bool if name == ON else Annotated[int, Meta(ge=setting.low, le=setting.high, description=setting.meaning)]
    )
    return value | None | UnsetType


_FIELDS: Final[Mapping[str, str]] = {name: name.replace(".", "_") for name in PARAMETERS}

ParameterValues: Final[Any] = msgspec.defstruct(
    "ParameterValues",
    [*((field, _type_of(name), UNSET) for name, field in _FIELDS.items()), ("dry_run", bool, False)],
    rename={field: name for name, field in _FIELDS.items()},
    namespace={
        "__doc__": "Parameters by their names; null: inherited. Those that are left out stay. `dry_run`: change "
        "nothing, but say what would change."
    },
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
)


def values_of(values: Mapping[str, Number | None], *, dry_run: bool) -> Any:
    """`ParameterValues` of values by the names of parameters."""
    given = {_FIELDS[name]: None if value is None else typed(name, value) for name, value in values.items()}
    return ParameterValues(dry_run=dry_run, **given)


def _show(conn: Connection, asked: Asked, name: str = "", *, level: Level) -> dict[str, Effective]:
    return parameters.show(conn, asked.actor, asked.site.settings, Subject(level, name))


def _set(conn: Connection, asked: Asked, *names: Any, level: Level) -> ParametersChange:
    *subject_names, given = names
    subject, settings = Subject(level, *subject_names), asked.site.settings
    found = {name: getattr(given, field) for name, field in _FIELDS.items()}
    values = check_values({name: value for name, value in found.items() if value is not UNSET})
    changes = parameters.foresee(conn, asked.actor, settings, subject, values) if given.dry_run else []
    if not given.dry_run:
        parameters.set_values(conn, asked.actor, subject, values, asked.now_s)
    return ParametersChange(given.dry_run, changes, parameters.show(conn, asked.actor, settings, subject))


def _shows(level: Level, path: str, text: str) -> Operation[dict[str, Effective]]:
    run = partial(_show, level=level)
    return Operation(f"show_{level}_parameters", "GET", path, text, dict[str, Effective], run, Act.PARAMETERS_READ)


def _sets(level: Level, path: str, text: str, act: Act) -> Operation[ParametersChange]:
    run = partial(_set, level=level)
    name = f"set_{level}_parameters"
    return Operation(name, "PUT", path, text, ParametersChange, run, act, Way.WRITE, body=ParameterValues)


_OF_SITE: Final = "/parameters"
_OF_GROUP: Final = "/groups/{group}/parameters"
_OF_COMPUTER: Final = "/computers/{device_id}/parameters"

SHOW: Final[Mapping[Level, Operation[dict[str, Effective]]]] = {
    Level.SITE: _shows(Level.SITE, _OF_SITE, "The site's parameters, each with where it comes from."),
    Level.GROUP: _shows(Level.GROUP, _OF_GROUP, "A group's parameters, each with where it comes from."),
    Level.COMPUTER: _shows(
        Level.COMPUTER, _OF_COMPUTER, "What a computer's agent is told, each with where it comes from."
    ),
}
SET: Final[Mapping[Level, Operation[ParametersChange]]] = {
    Level.SITE: _sets(Level.SITE, _OF_SITE, "Set parameters of the site.", Act.PARAMETERS_WRITE_SITE),
    Level.GROUP: _sets(Level.GROUP, _OF_GROUP, "Set parameters of a group.", Act.PARAMETERS_WRITE_GROUP),
    Level.COMPUTER: _sets(
        Level.COMPUTER,
        _OF_COMPUTER,
        "Set a computer's own parameters: its agent has them after its next contact.",
        Act.PARAMETERS_WRITE,
    ),
}
ALL: Final[tuple[Operation[Any], ...]] = (*SHOW.values(), *SET.values())
