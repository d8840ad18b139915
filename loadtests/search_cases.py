"""The searches of `make bench-search`: as filters of distd, and as the nearest that OCS Inventory's console offers.

For the computers of `searched_site` both find the same ones. In general they do not: OCS knows no other text
comparison than "contains" and "equals", no "at least" (MORE 7167 MB is 7 GiB and more), compares versions as texts, and
looks for words in the columns that its list shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loadtests.ocs_search import OcsCriterion, OcsSearch

NAME: Final = "software_name.NAME"
VERSION: Final = "software_version.VERSION"
WINDOWS: Final = OcsCriterion("hardware.OSNAME", "LIKE", "windows")
FIREFOX: Final = OcsCriterion(NAME, "LIKE", "firefox")
WITHOUT_7_ZIP: Final = OcsCriterion(NAME, "DOESNTCONTAIN", "7-Zip")


@dataclass(frozen=True, slots=True)
class SearchCase:
    """`text` is the filter."""

    text: str
    ocs: OcsSearch


CASES: Final = (
    SearchCase(
        'os ~ "*windows*" memory >= 7GiB tag ~ "site 1*"',
        OcsSearch(
            (
                WINDOWS,
                OcsCriterion("hardware.MEMORY", "MORE", "7167"),
                OcsCriterion("accountinfo.TAG", "LIKE", "site 1"),
            )
        ),
    ),
    SearchCase(
        'os ~ "*windows*" software("*firefox*") NOT software("7-Zip*")', OcsSearch((WINDOWS, FIREFOX, WITHOUT_7_ZIP))
    ),
    SearchCase(
        'os ~ "*windows*" software("*firefox*", version >= "110") NOT software("LibreOffice*")',
        OcsSearch(
            (
                WINDOWS,
                FIREFOX,
                OcsCriterion(VERSION, "MORE", "110"),
                OcsCriterion(NAME, "DOESNTCONTAIN", "LibreOffice"),
            )
        ),
    ),
    SearchCase(
        'windows software("GeoGebra*") NOT software("PuTTY*")',
        OcsSearch((OcsCriterion(NAME, "LIKE", "GeoGebra"), OcsCriterion(NAME, "DOESNTCONTAIN", "PuTTY")), "windows"),
    ),
    SearchCase(
        'NOT software("*firefox*") NOT software("7-Zip*") memory < 8GiB',
        OcsSearch(
            (
                OcsCriterion("hardware.MEMORY", "LESS", "8192"),
                OcsCriterion(NAME, "DOESNTCONTAIN", "firefox"),
                WITHOUT_7_ZIP,
            )
        ),
    ),
    SearchCase(
        "ip in 10.17.0.0/16 last_contact > 7d cores >= 4",
        OcsSearch(
            (
                OcsCriterion("hardware.LASTCOME", "LESSTHANXDAY", "7"),
                OcsCriterion("networks.IPSUBNET", "EQUAL", "10.17.0.0"),
                OcsCriterion("cpus.CORES", "MORE", "3"),
            )
        ),
    ),
    SearchCase(
        "eleve.17 last_contact < 30d", OcsSearch((OcsCriterion("hardware.LASTCOME", "MORETHANXDAY", "30"),), "eleve.17")
    ),
)
