"""What of an inventory goes into the catalogue."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from distd.catalogue import schema
from distd.domain.errors import NotFound
from distd.domain.inventory import content_of, unpack
from distd.domain.records import InventoryRequest
from distd.origin.agents.inventories import pack_inventory
from distd.origin.computers import computers
from distd.wire import ocs

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

REQUEST = InventoryRequest("pc", {"NAME": "PC"}, {}, (), None, software=({"NAME": "perl"},))
BODY = ocs.write_request(REQUEST)


def test_a_document_is_kept_as_it_was_sent_up_to_a_size() -> None:
    packed = pack_inventory(REQUEST, BODY, max_document_bytes=len(BODY))
    assert packed.document == BODY
    assert unpack(packed.content)["software"] == list(content_of(REQUEST)["software"])
    assert pack_inventory(REQUEST, BODY, max_document_bytes=len(BODY) - 1).document is None
    assert pack_inventory(REQUEST, BODY, max_document_bytes=0).document is None


def test_a_document_that_was_not_deflated_is() -> None:
    text = zlib.decompress(BODY) + b" " * 100_000
    document = pack_inventory(REQUEST, text, max_document_bytes=1000).document
    assert document is not None
    assert zlib.decompress(document) == text


@pytest.mark.parametrize("kib", [0, 64])
def test_the_last_inventory_replaces_the_one_before(pc: TestOrigin, kib: int) -> None:
    pc.values["agents.keep_document_kib"] = kib
    pc.post(InventoryRequest("pc", {"NAME": "A"}, {}, (), None))
    pc.post(REQUEST)
    (row,) = pc.rows(schema.inventories)
    assert row["document"] == (BODY if kib else None)
    shown = pc.read(computers.show, "pc").inventory
    assert (shown["hardware"], shown["software"]) == ({"NAME": "PC"}, [{"NAME": "perl"}])


def test_the_document_is_read_as_it_was_sent(pc: TestOrigin) -> None:
    pc.post(REQUEST)
    assert pc.read(computers.read_document, "pc") == zlib.decompress(BODY)
    pc.values["agents.keep_document_kib"] = 0
    pc.post(REQUEST)
    with pytest.raises(NotFound, match="a computer whose inventory is kept as it was sent"):
        pc.read(computers.read_document, "pc")
    with pytest.raises(NotFound, match="the DEVICEID of a computer"):
        pc.read(computers.read_document, "nobody")


def test_an_inventory_goes_with_its_computer(pc: TestOrigin) -> None:
    assert len(pc.rows(schema.inventories)) == 1
    pc.act(computers.delete, ["pc"], pc.now_s)
    assert pc.rows(schema.inventories) == []
