from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from agentsim.fleet.computers import computer, inventory
from agentsim.fleet.recorded_inventories import device_id_of, read_inventories, request_body
from distd.domain.errors import BadInput
from distd.domain.records import Dialect, InventoryRequest
from distd.wire import ocs

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = computer(0, 1, {Dialect.UNIX: 1.0})
BODY = inventory(0, KNOWN, ())
TEXT = zlib.decompress(BODY).decode()


def test_a_recorded_inventory_is_sent_by_another_device() -> None:
    assert device_id_of(TEXT) == KNOWN.device_id
    got = ocs.read_request(request_body(TEXT, r"pc-\1-2026"), max_inflated_bytes=1_000_000)
    assert isinstance(got, InventoryRequest)
    assert got.device_id == r"pc-\1-2026"
    assert got.hardware["NAME"] == KNOWN.name


def test_an_inventory_without_a_device_id() -> None:
    assert device_id_of("<REQUEST/>") == ""


def test_files_are_read_as_xml_and_deflated_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.ocs").write_bytes(BODY)
    (tmp_path / "a.xml").write_text("\n" + TEXT)
    assert read_inventories(tmp_path) == ("\n" + TEXT, TEXT)


@pytest.mark.parametrize("content", [b"", b"hello", b"<REQUEST/>", zlib.compress(b"<CONTENT/>")])
def test_files_that_are_no_inventories(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BadInput, match="--inventories"):
        read_inventories(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 to 100000 files, got 0 in"):
        read_inventories(tmp_path)
