"""The computers of `searched_site` as OCS Inventory's server leaves them in its database."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from loadtests.ocs_schema import CREATE_DATABASE, DATABASE, TABLES
from loadtests.searched_site import NOW_S, parts, software_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from loadtests.searched_site import Part

# The names by which software is kept once: the table of each, and the column of `software` in distd.
SOFTWARE_PARTS: Final = {"software_name": "name", "software_publisher": "publisher", "software_version": "version"}
SOFTWARE_COLUMNS: Final = ("HARDWARE_ID", "NAME_ID", "PUBLISHER_ID", "VERSION_ID")
SESSION: Final = (
    "SET time_zone = '+00:00'",
    f"SET timestamp = {NOW_S}",
    "SET unique_checks = 0, foreign_key_checks = 0",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table: the columns that are filled, always the same ones, and lines for LOAD DATA."""

    table: str
    columns: Sequence[str]
    lines: Iterable[str]


def fill(connection: Any, folder: Path, count: int) -> None:
    """Make the database and fill it. `folder`: where the server reads files from. The connection uses it from then on,
    with the time of `searched_site`."""
    with connection.cursor() as cursor:
        for statement in (CREATE_DATABASE, f"USE {DATABASE}", *SESSION):
            cursor.execute(statement)
        for name, columns in _write(folder, count).items():
            table, path = TABLES[name], folder / name
            cursor.execute(table.create())
            cursor.execute(f"LOAD DATA INFILE '{path}' INTO TABLE {name} CHARACTER SET utf8mb4 ({', '.join(columns)})")
            path.unlink()
            cursor.execute(table.index())
            cursor.execute(f"ANALYZE TABLE {name}")


def _write(folder: Path, count: int) -> dict[str, Sequence[str]]:
    """Write a file for each table, and give the columns that are in it."""
    found: dict[str, Sequence[str]] = {}
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / name).open("w", encoding="utf-8")) for name in TABLES}
        for rows in all_rows(count):
            found[rows.table] = rows.columns
            files[rows.table].writelines(rows.lines)
    return found


def all_rows(count: int) -> Iterator[Rows]:
    """What so many computers leave, in parts."""
    names = software_rows()
    ids: list[list[int]] = []
    for table, column in SOFTWARE_PARTS.items():
        texts = {text: place for place, text in enumerate(dict.fromkeys(row[column] for row in names), 1)}
        ids.append([texts[row[column]] for row in names])
        yield _rows(table, [{"ID": place, column.upper(): text} for text, place in texts.items()])
    for part in parts(count):
        yield _rows("hardware", map(_hardware, part.computers))
        yield _rows("bios", map(_bios, part.computers))
        yield _rows("cpus", map(_cpu, part.computers))
        yield _rows("accountinfo", map(_account, part.accounts))
        yield _rows("networks", map(_network, part.interfaces))
        yield Rows("software", SOFTWARE_COLUMNS, _software_lines(part, ids))


def _rows(table: str, rows: Iterable[Mapping[str, Any]]) -> Rows:
    """`rows`: at least one, all with the same columns in the same order."""
    written = iter(rows)
    first = next(written)
    return Rows(table, list(first), map(_line, chain([first], written)))


def _line(row: Mapping[str, object]) -> str:
    return "\t".join(map(_written, row.values())) + "\n"


def _written(value: object) -> str:
    if value is None:
        return r"\N"
    return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")


def _hardware(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ID": row["id"],
        "DEVICEID": row["device_id"],
        "NAME": row["name"],
        "WORKGROUP": row["workgroup"],
        "USERDOMAIN": row["userdomain"],
        "OSNAME": row["os_name"],
        "OSVERSION": row["os_version"],
        "PROCESSORT": row["cpu"],
        "PROCESSORN": 1,
        "MEMORY": row["memory_bytes"] // 2**20,
        "IPADDR": row["ip"],
        "LASTDATE": _time(row["last_inventory_at_us"]),
        "LASTCOME": _time(row["last_seen_at_us"]),
        "USERID": row["userid"],
        "DESCRIPTION": row["description"],
        "USERAGENT": row["user_agent"],
        "IPSRC": row["address"],
    }


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _bios(row: Mapping[str, Any]) -> dict[str, Any]:
    made_by = {"SMANUFACTURER": row["manufacturer"], "SMODEL": row["model"], "SSN": row["serial"]}
    return {"HARDWARE_ID": row["id"], **made_by}


def _cpu(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"HARDWARE_ID": row["id"], "TYPE": row["cpu"], "CORES": row["cores"]}


def _network(row: Mapping[str, Any]) -> dict[str, Any]:
    address = {"IPADDRESS": row["ip"], "IPSUBNET": row["subnet"], "MACADDR": row["mac"]}
    return {"HARDWARE_ID": row["computer_id"], "STATUS": "Up", **address}


def _account(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"HARDWARE_ID": row["computer_id"], "TAG": row["value"]}


def _software_lines(part: Part, ids: Sequence[Sequence[int]]) -> Iterator[str]:
    """`ids`: of the name, the publisher and the version of each software of distd."""
    others = ["\t".join(map(str, each)) + "\n" for each in zip(*ids, strict=True)]
    for computer, software in part.pairs.tolist():
        yield f"{computer}\t{others[software - 1]}"
