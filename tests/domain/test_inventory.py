"""The table of what is kept of an inventory."""

from __future__ import annotations

import dataclasses
import zlib

from distd.domain.inventory import SECTIONS, TEXT, content_of, pack, unpack
from distd.domain.records import InventoryRequest


def test_each_section_is_a_field_of_the_request() -> None:
    names = {field.name for field in dataclasses.fields(InventoryRequest)}
    assert {section.name for section in SECTIONS.values()} == names - {"device_id", "account", "history", "is_cut"}


def test_an_honest_item_fits_into_its_section() -> None:
    """So that the sum of a section cuts nothing off one of its items."""
    for section in SECTIONS.values():
        assert 2 * sum(limit + 16 for limit in section.fields.values()) < section.characters


def test_what_computers_are_searched_by_is_in_the_table() -> None:
    wanted = {
        "HARDWARE": "NAME OSNAME OSVERSION IPADDR MEMORY PROCESSORT PROCESSORN USERID USERDOMAIN WORKGROUP DESCRIPTION",
        "BIOS": "SSN SMANUFACTURER SMODEL",
        "CPUS": "TYPE CORES",
        "NETWORKS": "IPADDRESS IPSUBNET IPMASK MACADDR",
        "DRIVES": "FREE TOTAL",
        "SOFTWARES": "NAME VERSION PUBLISHER",
    }
    for section, names in wanted.items():
        assert set(names.split()) <= SECTIONS[section].fields.keys()
    assert min(SECTIONS["SOFTWARES"].fields[name] for name in ("NAME", "VERSION", "PUBLISHER")) == TEXT


def test_packing_and_unpacking() -> None:
    request = InventoryRequest("pc", {"NAME": "zoë"}, {"TAG": "R1"}, ({"IPADDRESS": "10.0.0.1"},), None)
    packed = pack(content_of(request))
    assert unpack(packed) == content_of(request) | {
        "networks": [{"IPADDRESS": "10.0.0.1"}],
        **{name: [] for name in ("cpus", "memories", "drives", "storages", "printers", "monitors", "videos")},
    }
    assert zlib.decompress(packed).startswith(b'{"hardware":{"NAME":"zo\xc3\xab"}')
