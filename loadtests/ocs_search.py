"""OCS Inventory's search by several criteria, as the statements that its console (2.12) sends.

Each table of a criterion is joined whole to `hardware`, and computers are told apart by GROUP BY at the end; what a
computer must not have is a sub-select of those that have it. The list's statement brings a page and counts all that
were found (SQL_CALC_FOUND_ROWS).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from loadtests.ocs_schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

JOINED_TO_SOFTWARE: Final[Mapping[str, str]] = MappingProxyType(
    {"software_name": "NAME", "software_publisher": "PUBLISHER", "software_version": "VERSION"}
)
# Where the list's own field looks for a word: the columns that it shows, here the fields where distd looks for words.
SHOWN: Final = ("hardware.NAME", "hardware.OSNAME", "accountinfo.TAG", "hardware.USERID", "hardware.IPADDR")
SQL_OPERATORS: Final[Mapping[str, str]] = MappingProxyType({"EQUAL": "=", "MORE": ">", "LESS": "<"})
AGES: Final[Mapping[str, str]] = MappingProxyType({"MORETHANXDAY": "<", "LESSTHANXDAY": ">"})


@dataclass(frozen=True, slots=True)
class OcsCriterion:
    """A line of the form. `field`: "table.COLUMN". `operator`: as OCS names it."""

    field: str
    operator: str
    value: str

    @property
    def table(self) -> str:
        """The table that is joined to `hardware`."""
        table = self.field.partition(".")[0]
        return "software" if table in JOINED_TO_SOFTWARE else table

    def sql(self) -> str:
        """Its condition."""
        if self.operator == "LIKE":
            return f"{self.field} LIKE {quoted(f'%{self.value}%')}"
        if self.operator == "DOESNTCONTAIN":
            return f"hardware.ID NOT IN ({_having(self.field, self.value)})"
        if self.operator in AGES:
            return f"{self.field} {AGES[self.operator]} NOW() - INTERVAL {int(self.value)} DAY"
        return f"{self.field} {SQL_OPERATORS[self.operator]} {quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class OcsSearch:
    """Computers for which all criteria hold. `word`: what is typed into the field above the list; empty: nothing."""

    criteria: tuple[OcsCriterion, ...]
    word: str = ""

    def page(self, order: str, limit: int, *, counted: bool) -> str:
        """The statement of the list's first page; `order`: like "hardwareNAME asc". With `counted`, as the console
        sends it, `FOUND_ROWS` is how many were found."""
        columns = ", ".join(f"{field} AS {field.replace('.', '')}" for field in self._columns())
        select = "SELECT SQL_CALC_FOUND_ROWS" if counted else "SELECT"
        return f"{select} {columns} {self._found()} GROUP BY hardware.ID ORDER BY {order} LIMIT 0, {limit}"

    def count(self) -> str:
        """How many are found: what the console never asks for alone."""
        return f"SELECT COUNT(DISTINCT hardware.ID) {self._found()}"

    def _tables(self) -> list[str]:
        """The joined ones, in their order."""
        return list(dict.fromkeys([*(each.table for each in self.criteria if each.table != "hardware"), "accountinfo"]))

    def _columns(self) -> list[str]:
        """All of all tables, but the names of software instead of their ids."""
        found = [f"{table}.{column}" for table in ("hardware", *self._tables()) for column in TABLES[table].columns]
        named = {f"software.{column}_ID": f"{table}.{column}" for table, column in JOINED_TO_SOFTWARE.items()}
        return [named.get(field, field) for field in found]

    def _found(self) -> str:
        joins = []
        for table in self._tables():
            joins.append(f"INNER JOIN {table} ON hardware.ID = {table}.HARDWARE_ID")
            if table == "software":
                joins += [
                    f"LEFT JOIN {named} ON {named}.ID = software.{column}_ID"
                    for named, column in JOINED_TO_SOFTWARE.items()
                ]
        conditions = [each.sql() for each in self.criteria]
        if self.word:
            like = quoted(f"%{self.word}%")
            conditions.insert(0, f"({' OR '.join(f'({field} LIKE {like})' for field in SHOWN)})")
        return f"FROM hardware {' '.join(joins)} WHERE {' AND '.join(conditions)}"


FOUND_ROWS: Final = "SELECT FOUND_ROWS()"


def quoted(text: str) -> str:
    """A text in a statement."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _having(field: str, value: str) -> str:
    """The computers that have it."""
    table, _, column = field.partition(".")
    like = quoted(f"%{value}%")
    if table not in JOINED_TO_SOFTWARE:
        return (
            f"SELECT DISTINCT {'ID' if table == 'hardware' else 'HARDWARE_ID'} FROM {table} WHERE {column} LIKE {like}"
        )
    return (
        "SELECT DISTINCT hardware.ID FROM hardware INNER JOIN software ON hardware.ID = software.HARDWARE_ID "
        f"LEFT JOIN {table} ON {table}.ID = software.{column}_ID WHERE {field} LIKE {like} GROUP BY hardware.ID"
    )
