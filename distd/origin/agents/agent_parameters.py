"""Which parameters hold for the computers of a batch: one read for all of them, and hardly any where none are set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, literal, select, union_all

from distd.catalogue.access_schema import parameters
from distd.catalogue.groups_schema import group_members, groups
from distd.domain.parameters import Level, Own, of_agent, of_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import BindParameter, Connection

    from distd.domain.parameters import AgentParameters, Number
    from distd.domain.settings import Settings

_ANY: Final = select(parameters.c.subject_id).limit(1)
_OF: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_VALUES: Final = (parameters.c.name, parameters.c.value)
_ROWS: Final = union_all(
    select(literal(0).label("computer_id"), literal("").label("group_name"), *_VALUES).where(
        parameters.c.level == str(Level.SITE)
    ),
    select(parameters.c.subject_id, literal(""), *_VALUES).where(
        parameters.c.level == str(Level.COMPUTER), parameters.c.subject_id.in_(_OF)
    ),
    select(group_members.c.computer_id, groups.c.name, *_VALUES)
    .join(groups, groups.c.id == group_members.c.group_id)
    .join(
        parameters,
        and_(parameters.c.level == str(Level.GROUP), parameters.c.subject_id == group_members.c.group_id),
    )
    .where(group_members.c.computer_id.in_(_OF)),
)


class BatchParameters:
    """The parameters of some computers. Those for which nothing of their own is set have the same record."""

    def __init__(self, common: AgentParameters, own: Mapping[int, AgentParameters]) -> None:
        self._common = common
        self._own = own

    def of(self, computer_id: int) -> AgentParameters:
        """Those of a computer."""
        return self._own.get(computer_id, self._common)


def load(conn: Connection, settings: Settings, computer_ids: Collection[int]) -> BatchParameters:
    """The parameters that hold for these computers now."""
    if conn.scalar(_ANY) is None:
        return BatchParameters(of_settings(settings), {})
    site, own = read(conn, computer_ids)
    return BatchParameters(
        of_agent(settings, site), {computer_id: of_agent(settings, site, each) for computer_id, each in own.items()}
    )


def read(conn: Connection, computer_ids: Collection[int]) -> tuple[dict[str, Number], dict[int, Own]]:
    """The site's parameters, and what is set for these computers and their groups; those without any are left out."""
    site: dict[str, Number] = {}
    of_groups: dict[int, dict[str, dict[str, Number]]] = {}
    of_computers: dict[int, dict[str, Number]] = {}
    for computer_id, group, name, value in conn.execute(_ROWS, {"ids": list(computer_ids)}):
        if not computer_id:
            site[name] = value
        elif group:
            of_groups.setdefault(computer_id, {}).setdefault(group, {})[name] = value
        else:
            of_computers.setdefault(computer_id, {})[name] = value
    ids = {*of_groups, *of_computers}
    return site, {each: Own(of_groups.get(each, {}), of_computers.get(each, {})) for each in ids}
