"""Inventories on their way to the catalogue: nothing is lost, and nothing is taken over twice."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.domain.errors import BadInput, NotFound
from distd.domain.records import InventoryRequest
from distd.domain.section_digests import NOTHING
from distd.origin.agents import inventories
from distd.origin.agents.inventories import MIN_DIVIDED_BYTES, kept_document, open_inventory, whole_inventory
from distd.origin.computers import computers
from distd.wire import ocs

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

SOFTWARE = tuple({"NAME": f"program {number}", "VERSION": f"{number}.{number * 7919}"} for number in range(60))
REQUEST = InventoryRequest("pc", {"NAME": "PC"}, {"TAG": "R1"}, (), None, software=SOFTWARE)
BODY = ocs.write_request(REQUEST)


def opened(body: bytes, *, keep: int = 65_536) -> Any:
    return open_inventory(body, max_inflated_bytes=1_000_000, max_ratio=50, max_document_bytes=keep)


def test_a_document_is_kept_as_it_was_sent_up_to_a_size() -> None:
    assert kept_document(BODY, len(BODY)) == BODY
    assert kept_document(BODY, len(BODY) - 1) is None
    assert kept_document(BODY, 0) is None


def test_a_document_that_was_not_deflated_is() -> None:
    text = zlib.decompress(BODY) + b" " * 100_000
    document = kept_document(text, len(BODY) + 1000)
    assert document is not None
    assert zlib.decompress(document) == text


def test_what_the_catalogue_has_is_not_parsed() -> None:
    sent = opened(BODY)
    facts = sent.parse_against(NOTHING)
    assert facts.request == REQUEST
    assert [each.name for each in facts.software] == [row["NAME"] for row in SOFTWARE]
    known = facts.digests._replace(document=sent.sent.document)
    again = opened(BODY)
    assert again.parse_against(known) is None
    assert again.facts is None


def test_software_is_parsed_only_where_it_has_changed() -> None:
    sent = opened(BODY)
    known = sent.parse_against(NOTHING).digests._replace(document=sent.sent.document)
    other = opened(ocs.write_request(replace(REQUEST, hardware={"NAME": "PC2"})))
    facts = other.parse_against(known)
    assert facts.software is None
    assert facts.digests.columns != known.columns
    assert facts.digests[3:] == known[3:]
    assert facts.digests.software == known.software
    more = opened(ocs.write_request(replace(REQUEST, software=(*SOFTWARE, {"NAME": "one more"}))))
    assert len(more.parse_against(known).software) == 61
    # The catalogue has changed since it was compared: it lacks the software.
    assert len(other.parse_against(NOTHING).software) == 60


def test_another_limit_of_what_is_kept_makes_it_another_inventory() -> None:
    sent = opened(BODY)
    known = sent.parse_against(NOTHING).digests._replace(document=sent.sent.document)
    assert opened(BODY, keep=0).parse_against(known) is not None


def test_an_inventory_that_is_not_of_the_plain_shape_is_read_as_a_whole() -> None:
    text = zlib.decompress(BODY).replace(b"<CONTENT>", b"<CONTENT><!-- made by hand -->")
    assert opened(zlib.compress(text)) is None
    nested = zlib.decompress(BODY).replace(
        b"<SOFTWARES><NAME>program 7<", b"<SOFTWARES><X><Y>1</Y></X><NAME>program 7<"
    )
    facts = opened(zlib.compress(nested)).parse_against(NOTHING)
    assert (facts.request, facts.digests.software) == (REQUEST, b"")
    whole = whole_inventory(REQUEST, BODY, max_document_bytes=0)
    assert whole.document is None
    found = whole.parse_against(NOTHING)
    assert found is not None
    assert found.software == facts.software


def test_one_that_is_no_xml_is_refused_and_costs_no_other(pc: TestOrigin) -> None:
    broken = zlib.decompress(BODY).replace(b"<HARDWARE>", b"<HARDWARE><X>")
    bad, good = opened(zlib.compress(broken)), opened(BODY)
    error, fine = pc.read(inventories.look_up, [bad, good])
    assert isinstance(error, BadInput)
    assert (fine, good.facts is None) == (None, False)


def test_one_whose_parts_name_different_computers_is_refused() -> None:
    text = zlib.decompress(BODY).replace(b"<CONTENT>", b"<X><DEVICEID>other</DEVICEID></X><CONTENT>")
    text = text.replace(b"</CONTENT><DEVICEID>pc</DEVICEID>", b"</CONTENT>")
    with pytest.raises(BadInput, match="DEVICEID"):
        opened(zlib.compress(text)).parse_against(NOTHING)


@pytest.mark.parametrize("kib", [0, 64])
def test_the_last_inventory_replaces_the_one_before(pc: TestOrigin, kib: int) -> None:
    pc.values["agents.keep_document_kib"] = kib
    pc.post(InventoryRequest("pc", {"NAME": "A"}, {}, (), None))
    pc.post(REQUEST)
    (row,) = pc.rows(schema.inventories)
    assert row["document"] == (BODY if kib else None)
    detail = pc.read(computers.show, "pc")
    assert (detail.inventory["hardware"], detail.software) == ({"NAME": "PC"}, len(SOFTWARE))


def test_the_document_is_read_as_it_was_sent(pc: TestOrigin) -> None:
    assert len(BODY) >= MIN_DIVIDED_BYTES
    pc.post(REQUEST)
    assert pc.read(computers.read_document, "pc") == zlib.decompress(BODY)
    pc.values["agents.keep_document_kib"] = 0
    pc.post(REQUEST)
    with pytest.raises(NotFound, match="a computer whose inventory is kept as it was sent"):
        pc.read(computers.read_document, "pc")
    with pytest.raises(NotFound, match="the DEVICEID of a computer"):
        pc.read(computers.read_document, "nobody")


def test_an_inventory_goes_with_its_computer(pc: TestOrigin) -> None:
    pc.post(REQUEST)
    tables = (schema.inventories, schema.inventory_digests, schema.installed, schema.computer_accounts)
    assert all(pc.rows(table) for table in tables)
    pc.act(computers.delete, ["pc"], pc.now_s)
    assert not any(pc.rows(table) for table in tables)
