"""OCS's search by several criteria: the statements."""

from __future__ import annotations

import pytest

from loadtests.ocs_search import OcsCriterion, OcsSearch, quoted

WINDOWS = OcsCriterion("hardware.OSNAME", "LIKE", "win'dows")
VERSION = OcsCriterion("software_version.VERSION", "MORE", "110")

CONDITIONS = {
    "contains": (WINDOWS, "hardware.OSNAME LIKE '%win''dows%'"),
    "equals": (OcsCriterion("networks.IPSUBNET", "EQUAL", "10.0.0.0"), "networks.IPSUBNET = '10.0.0.0'"),
    "less": (OcsCriterion("hardware.MEMORY", "LESS", "8192"), "hardware.MEMORY < '8192'"),
    "more": (VERSION, "software_version.VERSION > '110'"),
    "older": (
        OcsCriterion("hardware.LASTCOME", "MORETHANXDAY", "7"),
        "hardware.LASTCOME < NOW() - INTERVAL 7 DAY",
    ),
    "newer": (
        OcsCriterion("hardware.LASTCOME", "LESSTHANXDAY", "7"),
        "hardware.LASTCOME > NOW() - INTERVAL 7 DAY",
    ),
    "not in hardware": (
        OcsCriterion("hardware.NAME", "DOESNTCONTAIN", "x"),
        "hardware.ID NOT IN (SELECT DISTINCT ID FROM hardware WHERE NAME LIKE '%x%')",
    ),
    "not in another table": (
        OcsCriterion("networks.STATUS", "DOESNTCONTAIN", "Up"),
        "hardware.ID NOT IN (SELECT DISTINCT HARDWARE_ID FROM networks WHERE STATUS LIKE '%Up%')",
    ),
    "no such software": (
        OcsCriterion("software_name.NAME", "DOESNTCONTAIN", "zip"),
        (
            "hardware.ID NOT IN (SELECT DISTINCT hardware.ID FROM hardware "
            "INNER JOIN software ON hardware.ID = software.HARDWARE_ID "
            "LEFT JOIN software_name ON software_name.ID = software.NAME_ID "
            "WHERE software_name.NAME LIKE '%zip%' GROUP BY hardware.ID)"
        ),
    ),
}


@pytest.mark.parametrize(("criterion", "sql"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition(criterion: OcsCriterion, sql: str) -> None:
    assert criterion.sql() == sql


def test_all_rows_of_a_table_are_joined_and_account_info_always() -> None:
    joined = (
        "FROM hardware INNER JOIN software ON hardware.ID = software.HARDWARE_ID "
        "LEFT JOIN software_name ON software_name.ID = software.NAME_ID "
        "LEFT JOIN software_publisher ON software_publisher.ID = software.PUBLISHER_ID "
        "LEFT JOIN software_version ON software_version.ID = software.VERSION_ID "
        "INNER JOIN accountinfo ON hardware.ID = accountinfo.HARDWARE_ID "
    )
    search = OcsSearch((WINDOWS, VERSION))
    where = f"WHERE {WINDOWS.sql()} AND {VERSION.sql()}"
    assert search.count() == f"SELECT COUNT(DISTINCT hardware.ID) {joined}{where}"
    page = search.page("hardwareDEVICEID asc", 10, counted=True)
    assert page.startswith(
        "SELECT SQL_CALC_FOUND_ROWS hardware.ID AS hardwareID, hardware.DEVICEID AS hardwareDEVICEID"
    )
    assert "software_name.NAME AS software_nameNAME" in page
    assert page.endswith(f"{joined}{where} GROUP BY hardware.ID ORDER BY hardwareDEVICEID asc LIMIT 0, 10")
    assert search.page("hardwareDEVICEID asc", 10, counted=False) == page.replace(" SQL_CALC_FOUND_ROWS", "")


def test_a_word_is_looked_for_in_the_columns_shown() -> None:
    count = OcsSearch((WINDOWS,), "lab").count()
    assert "WHERE ((hardware.NAME LIKE '%lab%') OR (hardware.OSNAME LIKE '%lab%') OR " in count
    assert count.endswith(f") AND {WINDOWS.sql()}")


def test_quotes_and_backslashes() -> None:
    assert quoted(r"d'été \x") == r"'d''été \\x'"
