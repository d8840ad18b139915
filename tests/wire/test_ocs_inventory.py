"""What is kept of an inventory: whole of an honest one, bounded of any."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from agentsim.fleet.computers import computer, inventory
from distd.domain.inventory import LONG_TEXT, MAX_HISTORY, NUMBER, SECTIONS, TEXT, content_of, pack
from distd.domain.records import Dialect, InventoryRequest
from distd.wire import ocs


def read(content: str) -> InventoryRequest:
    """Not deflated, so that only the limits of what is kept count."""
    text = f"<REQUEST><CONTENT>{content}</CONTENT><DEVICEID>pc</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>"
    request = ocs.read_request(text.encode(), max_inflated_bytes=67_108_864)
    assert isinstance(request, InventoryRequest)
    return request


def elements(**values: str) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items())


# As Debian's agent writes it, shortened: its order, its empty fields, its sections that are not kept.
DEBIAN = """
    <BIOS><ASSETTAG>A-17</ASSETTAG><BDATE>03/01/2024</BDATE><BMANUFACTURER>Dell Inc.</BMANUFACTURER>
      <BVERSION>1.24.0</BVERSION><SMANUFACTURER>Dell Inc.</SMANUFACTURER><SMODEL>OptiPlex 7090</SMODEL>
      <SSN>ABC123</SSN><TYPE>Desktop</TYPE></BIOS>
    <CPUS><CORES>6</CORES><CPUARCH>x86_64</CPUARCH><LOGICAL_CPUS>12</LOGICAL_CPUS><MANUFACTURER>Intel</MANUFACTURER>
      <NBSOCKET>1</NBSOCKET><SPEED>3100</SPEED><THREADS>2</THREADS><TYPE>Core i5</TYPE></CPUS>
    <DRIVES><FILESYSTEM>ext4</FILESYSTEM><FREE>78903</FREE><TOTAL>258019</TOTAL><TYPE>/</TYPE>
      <VOLUMN>/dev/vda</VOLUMN></DRIVES>
    <HARDWARE><CHECKSUM>1572863</CHECKSUM><DATELASTLOGGEDUSER></DATELASTLOGGEDUSER>
      <DESCRIPTION>x86_64/00-00-00 09:42:54</DESCRIPTION><IPADDR>192.0.2.2</IPADDR><MEMORY>24105</MEMORY>
      <NAME>pc-17</NAME><OSCOMMENTS>Debian GNU/Linux 12 (bookworm)</OSCOMMENTS><OSNAME>Debian GNU/Linux 12</OSNAME>
      <OSVERSION>12</OSVERSION><PROCESSORN>1</PROCESSORN><PROCESSORT>Core i5</PROCESSORT><SWAP>0</SWAP>
      <USERDOMAIN>LAB</USERDOMAIN><USERID>ada</USERID><WORKGROUP>WORKGROUP</WORKGROUP></HARDWARE>
    <LOCAL_USERS><LOGIN>root</LOGIN></LOCAL_USERS>
    <MEMORIES><CAPACITY>16384</CAPACITY><TYPE>DDR4</TYPE></MEMORIES>
    <NETWORKS><DESCRIPTION>eth0</DESCRIPTION><IPADDRESS>192.0.2.2</IPADDRESS><IPMASK>255.255.255.0</IPMASK>
      <IPSUBNET>192.0.2.0</IPSUBNET><MACADDR>52:54:00:12:34:56</MACADDR><STATUS>Up</STATUS></NETWORKS>
    <SOFTWARES><ARCHITECTURE>all</ARCHITECTURE><COMMENTS>add and remove users</COMMENTS><FILESIZE>702464</FILESIZE>
      <FROM>deb</FROM><NAME>adduser</NAME><PUBLISHER>Debian</PUBLISHER><VERSION>3.134</VERSION></SOFTWARES>
    <STORAGES><DISKSIZE>274877</DISKSIZE><NAME>vda</NAME><SERIALNUMBER>S1</SERIALNUMBER><TYPE>disk</TYPE></STORAGES>
    <ACCOUNTINFO><KEYNAME>TAG</KEYNAME><KEYVALUE>Room 7</KEYVALUE></ACCOUNTINFO>
"""


def test_what_computers_are_searched_by_is_kept() -> None:
    got = read(DEBIAN)
    assert not got.is_cut
    assert [got.hardware[name] for name in ("NAME", "OSNAME", "OSVERSION")] == ["pc-17", "Debian GNU/Linux 12", "12"]
    assert [got.hardware[name] for name in ("USERID", "USERDOMAIN", "WORKGROUP")] == ["ada", "LAB", "WORKGROUP"]
    assert (got.hardware["MEMORY"], got.hardware["DATELASTLOGGEDUSER"]) == ("24105", "")
    assert got.hardware["DESCRIPTION"].startswith("x86_64/")
    assert (got.bios["SSN"], got.bios["SMANUFACTURER"], got.bios["SMODEL"]) == ("ABC123", "Dell Inc.", "OptiPlex 7090")
    assert (got.cpus[0]["TYPE"], got.cpus[0]["CORES"]) == ("Core i5", "6")
    assert (got.drives[0]["FREE"], got.drives[0]["VOLUMN"]) == ("78903", "/dev/vda")
    assert (got.networks[0]["IPADDRESS"], got.networks[0]["IPSUBNET"]) == ("192.0.2.2", "192.0.2.0")
    assert got.networks[0]["MACADDR"] == "52:54:00:12:34:56"
    assert got.memories[0]["CAPACITY"] == "16384"
    assert got.storages[0]["SERIALNUMBER"] == "S1"
    assert got.software == ({"NAME": "adduser", "PUBLISHER": "Debian", "VERSION": "3.134"},)
    assert got.account == {"TAG": "Room 7"}


@pytest.mark.parametrize("dialect", Dialect)
def test_an_emulated_computer_is_kept_whole(dialect: Dialect) -> None:
    body = inventory(0, computer(0, 7, {dialect: 1.0}), ["1700000001"])
    got = ocs.read_request(body, max_inflated_bytes=1_000_000)
    assert isinstance(got, InventoryRequest)
    assert not got.is_cut
    assert len(got.software) == 36
    assert all(row.keys() >= {"NAME", "VERSION", "PUBLISHER"} for row in got.software)
    assert got.bios.keys() == {"SMANUFACTURER", "SMODEL", "SSN", "BVERSION"}
    assert got.drives[0]["FREE"].isdecimal()
    assert len(got.hardware) == 15


def test_other_sections_and_fields_are_not_kept() -> None:
    got = read(
        "<SOUNDS><NAME>x</NAME></SOUNDS><HARDWARE><NAME>pc</NAME><WINPRODKEY>secret</WINPRODKEY></HARDWARE>"
        "<X><BIOS><SSN>no</SSN></BIOS></X>"
    )
    assert {name: value for name, value in content_of(got).items() if value} == {"hardware": {"NAME": "pc"}}


@pytest.mark.parametrize(("field", "limit"), [("MEMORY", NUMBER), ("NAME", TEXT), ("DESCRIPTION", LONG_TEXT)])
def test_a_value_is_cut(field: str, limit: int) -> None:
    whole, cut = (read(f"<HARDWARE>{elements(**{field: 'é' * size})}</HARDWARE>") for size in (limit, limit + 1))
    assert whole.hardware == cut.hardware == {field: "é" * limit}
    assert (whole.is_cut, cut.is_cut) == (False, True)


def test_a_name_that_is_known_may_still_change() -> None:
    got = read("<HARDWARE><NAME>a</NAME></HARDWARE><HARDWARE><NAME>b</NAME><MEMORY>1</MEMORY></HARDWARE>")
    assert got.hardware == {"NAME": "b", "MEMORY": "1"}


@pytest.mark.parametrize("name", [name for name, section in SECTIONS.items() if not section.single])
def test_a_section_has_so_many_items(name: str) -> None:
    section = SECTIONS[name]
    field = next(iter(section.fields))
    rows = [f"<{name}>{elements(**{field: str(number)})}</{name}>" for number in range(section.items + 1)]
    whole, cut = read("".join(rows[:-1])), read("".join(rows))
    kept = tuple({field: str(number)} for number in range(section.items))
    assert getattr(whole, section.name) == getattr(cut, section.name) == kept
    assert (whole.is_cut, cut.is_cut) == (False, True)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_has_so_many_characters(name: str) -> None:
    """Every field of every item as long as it may be: it is bounded nevertheless, in the memory and on the disk."""
    section = SECTIONS[name]
    row = f"<{name}>{elements(**{field: 'x' * limit for field, limit in section.fields.items()})}</{name}>"
    got = read(row * min(section.items, 1 + 2 * section.characters // len(row)))
    found = getattr(got, section.name)
    kept = sum(len(value) for item in ([found] if section.single else found) for value in item.values())
    assert kept <= section.characters
    if not section.single:
        assert got.is_cut
        assert kept > section.characters / 2


def test_an_account_has_so_many_keys() -> None:
    row = "<ACCOUNTINFO><KEYNAME>{}</KEYNAME><KEYVALUE>{}</KEYVALUE></ACCOUNTINFO>"
    whole = read("".join(row.format(number, "v" * 1024) for number in range(64)))
    assert (len(whole.account), whole.is_cut) == (64, False)
    cut = read("".join(row.format(number, "v" * 1025) for number in (*range(65), 3)))
    assert cut.account == whole.account
    assert cut.is_cut


def test_of_the_history_the_newest_packages_stay() -> None:
    """Their ids are the times at which they were made: those of which the server may tell the agent."""

    def history(*numbers: int) -> InventoryRequest:
        packages = "".join(f"<PACKAGE ID='{number}'/>" for number in numbers)
        return read(f"<DOWNLOAD><HISTORY>{packages}</HISTORY></DOWNLOAD>")

    whole = history(*range(MAX_HISTORY))
    assert (len(whole.history or ()), whole.is_cut) == (MAX_HISTORY, False)
    cut = history(*range(5 * MAX_HISTORY + 7, 0, -1))
    newest = range(4 * MAX_HISTORY + 8, 5 * MAX_HISTORY + 8)
    assert cut.history == frozenset(str(number) for number in newest)
    assert cut.is_cut


def test_no_inventory_takes_more_than_a_few_times_what_was_sent() -> None:
    """The attack of 90 kB that inflate to 4 MiB: 30 MB of each were stored."""
    row = f"<SOFTWARES>{elements(NAME='n' * 255, VERSION='v' * 255, PUBLISHER='p' * 255)}</SOFTWARES>"
    networks = f"<NETWORKS>{elements(**{f'F{n}': 'ab' * 2000 for n in range(8)})}</NETWORKS>"
    for content in (row * 4000, networks * 120):
        assert len(content) < 4_194_304
        stored: Any = pack(content_of(read(content)))
        assert len(stored) < 2 * len(zlib.compress(content.encode()))
