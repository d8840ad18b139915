from __future__ import annotations

import ipaddress
import zlib
from collections import Counter

import pytest

from agentsim.fleet.computers import SITES, computer, inventory
from distd.domain.records import Dialect, InventoryRequest
from distd.wire import ocs

MIX = {Dialect.UNIX: 1.0, Dialect.WINDOWS: 4.0}


def read(body: bytes) -> InventoryRequest:
    request = ocs.read_request(body, max_inflated_bytes=1_000_000)
    assert isinstance(request, InventoryRequest)
    return request


def test_computers_differ_and_stay_what_they_are() -> None:
    many = [computer(3, number, MIX) for number in range(20_000)]
    assert len({known.device_id for known in many}) == len({known.address for known in many}) == 20_000
    assert many[4711] == computer(3, 4711, MIX) != computer(4, 4711, MIX)
    assert 0.78 < Counter(known.dialect for known in many)[Dialect.WINDOWS] / 20_000 < 0.82
    sites = Counter(known.site for known in many)
    assert len(sites) == len(SITES)
    assert sites[0] > 1.7 * sites[1] > 0


def test_computers_of_a_subnet_are_of_one_site() -> None:
    subnets: dict[str, set[int]] = {}
    for number in range(5000):
        known = computer(0, number, MIX)
        subnets.setdefault(known.address.rpartition(".")[0], set()).add(known.site)
    assert all(len(sites) == 1 for sites in subnets.values())


@pytest.mark.parametrize("dialect", Dialect)
def test_an_inventory_says_it_all(dialect: Dialect) -> None:
    known = computer(0, 12, {dialect: 1.0})
    body = inventory(0, known, {"1700000002", "1700000001"})
    got = read(body)
    assert got.device_id == known.device_id
    assert got.history == frozenset({"1700000001", "1700000002"})
    assert got.account == {"TAG": known.name.rpartition("-")[0]}
    assert ("Windows" in got.hardware["OSNAME"]) is (dialect is Dialect.WINDOWS)
    (network,) = got.networks
    assert network["IPADDRESS"] == got.hardware["IPADDR"] == known.address
    net = ipaddress.ip_network(f"{network['IPSUBNET']}/{network['IPMASK']}")
    assert ipaddress.ip_address(network["IPADDRESS"]) in net
    assert ipaddress.ip_address(network["IPGATEWAY"]) in net
    # As large as those of real computers, and as many programs.
    text = zlib.decompress(body)
    assert 8_000 < len(text) < 30_000
    assert text.count(b"<SOFTWARES>") == 36
    assert body == inventory(0, known, {"1700000001", "1700000002"})
