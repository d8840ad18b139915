from __future__ import annotations

import ipaddress
import zlib
from collections import Counter
from typing import Any

import pytest

from agentsim.fleet.computers import SITES, computer, inventory, replayed, replayed_id
from distd.domain.records import Dialect
from distd.wire import ocs

MIX = {Dialect.UNIX: 1.0, Dialect.WINDOWS: 4.0}


def read(body: Any) -> Any:
    return ocs.read_request(body, max_inflated_bytes=1_000_000)


def test_computers_differ_and_stay_what_they_are() -> None:
    many = [computer(3, number, MIX) for number in range(20_000)]
    assert len({one.device_id for one in many}) == len({one.address for one in many}) == 20_000
    assert many[4711] == computer(3, 4711, MIX) != computer(4, 4711, MIX)
    assert 0.78 < Counter(one.dialect for one in many)[Dialect.WINDOWS] / 20_000 < 0.82
    sites = Counter(one.site for one in many)
    assert len(sites) == len(SITES)
    assert sites[0] > 1.7 * sites[1] > 0


def test_computers_of_a_subnet_are_of_one_site() -> None:
    subnets = {}
    for number in range(5000):
        one = computer(0, number, MIX)
        subnets.setdefault(one.address.rpartition(".")[0], set()).add(one.site)
    assert all(len(sites) == 1 for sites in subnets.values())


@pytest.mark.parametrize("dialect", Dialect)
def test_an_inventory_says_it_all(dialect: Any) -> None:
    one = computer(0, 12, {dialect: 1.0})
    body = inventory(0, one, {"1700000002", "1700000001"})
    got = read(body)
    assert got.device_id == one.device_id
    assert got.history == {"1700000001", "1700000002"}
    assert got.account == {"TAG": one.name.rpartition("-")[0]}
    assert ("Windows" in got.hardware["OSNAME"]) is (dialect is Dialect.WINDOWS)
    (network,) = got.networks
    assert network["IPADDRESS"] == got.hardware["IPADDR"] == one.address
    net = ipaddress.ip_network(f"{network['IPSUBNET']}/{network['IPMASK']}")
    assert ipaddress.ip_address(network["IPADDRESS"]) in net
    assert ipaddress.ip_address(network["IPGATEWAY"]) in net
    # As large as those of real computers, and as many programs.
    text = zlib.decompress(body)
    assert 8_000 < len(text) < 30_000
    assert text.count(b"<SOFTWARES>") == 36
    assert body == inventory(0, one, {"1700000001", "1700000002"})


def test_a_replayed_inventory_is_said_by_another() -> None:
    text = zlib.decompress(inventory(0, computer(0, 1, MIX), ())).decode()
    assert replayed_id(text) == computer(0, 1, MIX).device_id
    got = read(replayed(text, r"pc-\1-2026"))
    assert got.device_id == r"pc-\1-2026"
    assert got.hardware["NAME"] == computer(0, 1, MIX).name
    assert replayed_id("<REQUEST/>") == ""
