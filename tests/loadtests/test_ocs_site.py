"""What the bench's computers leave in OCS's database."""

from __future__ import annotations

from collections import defaultdict

from loadtests.ocs_schema import TABLES
from loadtests.ocs_site import all_rows
from loadtests.searched_site import parts, software_rows

COMPUTERS = 20


def test_rows_of_the_same_computers() -> None:
    """Every table is filled, with columns that it has; software says by three ids what distd says by one."""
    found: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for rows in all_rows(COMPUTERS):
        assert set(rows.columns) <= set(TABLES[rows.table].columns)
        for line in rows.lines:
            assert line.endswith("\n")
            found[rows.table].append(dict(zip(rows.columns, line[:-1].split("\t"), strict=True)))
    assert set(found) == set(TABLES)
    (part,) = parts(COMPUTERS)
    for name in ("hardware", "bios", "cpus", "accountinfo"):
        assert len(found[name]) == COMPUTERS
    assert len(found["networks"]) == len(part.interfaces)
    computer, hardware = part.computers[6], found["hardware"][6]
    assert (hardware["ID"], hardware["DEVICEID"], hardware["OSNAME"]) == (
        "7",
        computer["device_id"],
        computer["os_name"],
    )
    assert int(hardware["MEMORY"]) * 2**20 == computer["memory_bytes"]
    assert found["cpus"][6]["CORES"] == str(computer["cores"])

    names = {
        column: {row["ID"]: row[column] for row in found[f"software_{column.lower()}"]}
        for column in ("NAME", "PUBLISHER", "VERSION")
    }
    installed = [
        (int(row["HARDWARE_ID"]), *(names[column][row[f"{column}_ID"]] for column in names))
        for row in found["software"]
    ]
    known = {row["id"]: (row["name"], row["publisher"], row["version"]) for row in software_rows()}
    assert installed == [(computer, *known[software]) for computer, software in part.pairs.tolist()]
