"""The API's parameters of agents: the site's, a group's, a computer's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from distd.domain.parameters import ON, PARAMETERS, Effective, Level, check_values
from distd.domain.permissions import Act
from distd.domain.settings import TABLE
from distd.origin.computers import parameters
from distd.origin.computers.parameters import SITE, Subject, ValueChange  # noqa: TC001 - the API looks at the fields
from distd.web.api.auth import acting_operator, needs
from distd.web.api.bodies import read_json
from distd.web.api.description import answers
from distd.web.api.queries import parameter, takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings


@dataclass
class ChangeQuery:
    """Whether to change anything."""

    dry_run: bool = parameter("change nothing, but say what would change", default=False)


@dataclass
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


ParameterValues: Final = msgspec.defstruct(
    "ParameterValues",
    [(name.replace(".", "_"), _type_of(name), UNSET) for name in PARAMETERS],
    rename={name.replace(".", "_"): name for name in PARAMETERS},
    namespace={"__doc__": "Parameters by their names; null: inherited. Those that are left out stay."},
    forbid_unknown_fields=True,
)


class ParameterRoutes:
    """Show and set. `settings()` are the present ones: what holds where no level has a value."""

    def __init__(self, reader: Reader, writer: Writer, settings: Callable[[], Settings]) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""
        self._add_reading(app)
        self._add_writing(app)

    def _add_reading(self, app: QuartTrio) -> None:
        @app.get("/api/v1/parameters")
        @needs(Act.PARAMETERS_READ)
        @answers(dict[str, Effective])
        async def show_site_parameters() -> Any:
            """The site's parameters, each with where it comes from."""
            return await self._show(SITE)

        @app.get("/api/v1/groups/<group>/parameters")
        @needs(Act.PARAMETERS_READ)
        @answers(dict[str, Effective])
        async def show_group_parameters(group: str) -> Any:
            """A group's parameters, each with where it comes from."""
            return await self._show(Subject(Level.GROUP, group))

        @app.get("/api/v1/computers/<device_id>/parameters")
        @needs(Act.PARAMETERS_READ)
        @answers(dict[str, Effective])
        async def show_computer_parameters(device_id: str) -> Any:
            """What a computer's agent is told, each with where it comes from."""
            return await self._show(Subject(Level.COMPUTER, device_id))

    def _add_writing(self, app: QuartTrio) -> None:
        @app.put("/api/v1/parameters")
        @needs(Act.PARAMETERS_WRITE_SITE)
        @takes(ChangeQuery)
        @answers(ParametersChange, body=ParameterValues, problems=(413, 415))
        async def set_site_parameters(query_args: ChangeQuery) -> Any:
            """Set parameters of the site."""
            return await self._set(SITE, query_args)

        @app.put("/api/v1/groups/<group>/parameters")
        @needs(Act.PARAMETERS_WRITE_GROUP)
        @takes(ChangeQuery)
        @answers(ParametersChange, body=ParameterValues, problems=(413, 415))
        async def set_group_parameters(group: str, query_args: ChangeQuery) -> Any:
            """Set parameters of a group."""
            return await self._set(Subject(Level.GROUP, group), query_args)

        @app.put("/api/v1/computers/<device_id>/parameters")
        @needs(Act.PARAMETERS_WRITE)
        @takes(ChangeQuery)
        @answers(ParametersChange, body=ParameterValues, problems=(413, 415))
        async def set_computer_parameters(device_id: str, query_args: ChangeQuery) -> Any:
            """Set a computer's own parameters: its agent has them after its next contact."""
            return await self._set(Subject(Level.COMPUTER, device_id), query_args)

    async def _show(self, subject: Subject) -> dict[str, Effective]:
        settings, actor = self._settings(), acting_operator()
        return await self._reader.run(partial(parameters.show, actor=actor, settings=settings, subject=subject))

    async def _set(self, subject: Subject, query: ChangeQuery) -> ParametersChange:
        values = check_values(await read_json())
        settings, actor, now_s = self._settings(), acting_operator(), time.time()

        def foresee(conn: Connection) -> ParametersChange:
            changes = parameters.foresee(conn, actor, settings, subject, values)
            return ParametersChange(True, changes, parameters.show(conn, actor, settings, subject))

        def change(conn: Connection) -> ParametersChange:
            parameters.set_values(conn, actor, subject, values, now_s)
            return ParametersChange(False, [], parameters.show(conn, actor, settings, subject))

        if query.dry_run:
            return await self._reader.run(foresee)
        return await self._writer.run(change)
