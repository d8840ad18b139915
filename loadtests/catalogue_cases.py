"""What `make bench-catalogue` measures: posts of agents, a batch at a time, and lists. A new case is a line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from distd.catalogue.schema import computers
from distd.domain.page import Window
from distd.domain.records import DownloadRequest, InventoryRequest, PrologRequest
from distd.origin.computers.computers import WantedComputers, list_computers
from distd.origin.deployments import result_list
from distd.origin.packages.overview import WantedPackages, list_packages
from distd.wire import ocs
from loadtests.catalogue_site import device_id, shuffled

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from loadtests.catalogue_site import Site

SOFTWARE_LINES: Final = 60


@dataclass(frozen=True, slots=True)
class PostCase:
    """Posts of agents. `bodies(site)`: one of each computer that sends one. `notified`: the computers have been told of
    the package before; otherwise none has been. `goal_per_s`, `goal_p99_ms`: through a server on PostgreSQL, with 64
    connections; None: no goal."""

    name: str
    bodies: Callable[[Site], list[bytes]]
    notified: bool = False
    goal_per_s: float | None = None
    goal_p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ListCase:
    """A question of an operator."""

    name: str
    ask: Callable[[Connection, Site], object]


def _known(site: Site) -> list[bytes]:
    return [ocs.write_request(PrologRequest(device_id(number))) for number in shuffled(site.known)]


def _assigned(site: Site) -> list[bytes]:
    return [ocs.write_request(PrologRequest(device_id(number))) for number in shuffled(site.assigned)]


def _results(site: Site) -> list[bytes]:
    wanted = shuffled(site.assigned)
    return [ocs.write_request(DownloadRequest(device_id(each), site.package_id, "SUCCESS")) for each in wanted]


def _inventories(site: Site) -> list[bytes]:
    return [ocs.write_request(_inventory(number)) for number in shuffled(site.known)[:2000]]


def _inventory(number: int) -> InventoryRequest:
    """A fifth of the software is its own, as on real computers."""
    software = tuple(
        {
            "NAME": f"lib{line}-dev" if line % 5 else f"tool-{number}-{line}",
            "VERSION": f"{line}.{line * 7 % 13}-1+deb12u{line % 4}",
            "PUBLISHER": "Debian Maintainers",
        }
        for line in range(SOFTWARE_LINES)
    )
    hardware = {
        "NAME": f"pc{number}",
        "OSNAME": "Debian GNU/Linux 12",
        "OSVERSION": "6.1.0-18-amd64",
        "IPADDR": f"10.{number >> 16}.{number >> 8 & 255}.1",
        "WORKGROUP": "example.org",
        "USERID": "root",
        "MEMORY": "16384",
    }
    mac = ":".join(f"{part:02x}" for part in (2, 0, *number.to_bytes(4)))
    network = {"IPADDRESS": hardware["IPADDR"], "IPSUBNET": "10.0.0.0", "MACADDR": mac, "STATUS": "Up"}
    return InventoryRequest(
        device_id(number),
        hardware,
        {"TAG": "site 1"},
        (network,),
        frozenset(),
        {"SSN": f"SN{number}"},
        software=software,
    )


POSTS: Final = (
    PostCase("PROLOG, known", _known, goal_per_s=5000, goal_p99_ms=100),
    PostCase("PROLOG, notified of a package", _assigned),
    PostCase(f"INVENTORY, {SOFTWARE_LINES} lines of software", _inventories),
    PostCase("result of a package", _results, notified=True),
)
LISTS: Final = (
    ListCase("computers: first page", lambda conn, _: list_computers(conn, WantedComputers(), Window())),
    ListCase("computers: a name", lambda conn, _: list_computers(conn, WantedComputers(name="pc4217*"), Window())),
    ListCase("computers: how many", lambda conn, _: conn.scalar(select(func.count()).select_from(computers))),
    ListCase("packages with their counters", lambda conn, _: list_packages(conn, WantedPackages(), Window())),
    ListCase("results of a package: first page",
             lambda conn, site: result_list.results(conn, site.package_id, (), Window())),
)  # fmt: skip
