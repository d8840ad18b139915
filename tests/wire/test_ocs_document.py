"""An inventory in two parts says what it says as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsim.fleet.computers import computer, inventory
from distd.domain.inventory import LONG_TEXT, SECTIONS, TEXT
from distd.domain.records import Dialect, InventoryRequest
from distd.wire import ocs
from distd.wire.ocs_document import divide, read_software

XML = '<?xml version="1.0" encoding="UTF-8"?>\n<REQUEST>\n  <CONTENT>\n{}  </CONTENT>\n  <DEVICEID>pc</DEVICEID>\n'
XML += "  <QUERY>INVENTORY</QUERY>\n</REQUEST>\n"
LINES = "<SOFTWARES>\n<NAME>Zo\u00eb &amp; &#233;&#x41;</NAME><VERSION> 1.0 </VERSION><FROM>deb</FROM>\n</SOFTWARES>\n"
LINES += "<SOFTWARES><NAME>x</NAME><COMMENTS2 /><COMMENTS></COMMENTS></SOFTWARES>"
HARDWARE = "<HARDWARE><NAME>PC</NAME></HARDWARE>"


def document(content: str) -> bytes:
    return XML.format(content).encode()


def whole(xml: bytes) -> InventoryRequest:
    request = ocs.read_request(xml, max_inflated_bytes=10_000_000)
    assert isinstance(request, InventoryRequest)
    return request


def test_both_parts_together_are_the_whole() -> None:
    xml = document(HARDWARE + LINES + "<VIDEOS><NAME>y</NAME></VIDEOS>")
    parts = divide(xml, len(xml))
    assert parts is not None
    assert parts.device_id == "pc"
    listed = read_software(parts.software)
    assert listed is not None
    assert listed.items == whole(xml).software == ({"NAME": "Zo\u00eb & \u00e9A", "VERSION": "1.0"}, {"NAME": "x"})
    assert whole(parts.rest).videos == ({"NAME": "y"},)
    assert (whole(parts.rest).hardware, whole(parts.rest).software) == ({"NAME": "PC"}, ())


def test_without_software() -> None:
    xml = document(HARDWARE)
    parts = divide(xml, len(xml))
    assert parts is not None
    assert (parts.software, parts.rest) == (b"", xml)
    listed = read_software(b"")
    assert listed is not None
    assert listed.items == ()


@pytest.mark.parametrize("dialect", Dialect)
def test_what_emulated_agents_send_is_divided(dialect: Dialect) -> None:
    body = inventory(0, computer(0, 7, {dialect: 1.0}), [])
    xml = b"".join(ocs.inflate(body, max_inflated_bytes=1_000_000))
    parts = divide(xml, len(body))
    assert parts is not None
    listed = read_software(parts.software)
    assert listed is not None
    assert listed.items == whole(xml).software
    assert len(parts.rest) < len(xml) // 3


@pytest.mark.parametrize(
    "xml",
    [
        document(HARDWARE + "<!-- x -->"),
        document("<HARDWARE><NAME><![CDATA[<SOFTWARES>]]></NAME></HARDWARE>"),
        document(HARDWARE + "<?x <SOFTWARES> ?>"),
        document(HARDWARE + "\x01"),
        document(HARDWARE).replace(b"UTF-8", b"latin-1"),
        document(HARDWARE).replace(b"<QUERY>INVENTORY</QUERY>", b"<QUERY>PROLOG</QUERY>"),
        document(HARDWARE).replace(b"<DEVICEID>pc", b"<DEVICEID>p&amp;c"),
        document(HARDWARE).replace(b"<CONTENT>", b"<DEVICEID>other</DEVICEID><CONTENT>"),
        document(HARDWARE).replace(b"<DEVICEID>pc", b"<DEVICEID>p\xff"),
        b'<REQUEST DEVICEID="pc" QUERY="PROLOG" />',
        b"",
    ],
)
def test_what_is_not_of_the_plain_shape_is_not_divided(xml: bytes) -> None:
    assert divide(xml, len(xml)) is None


def test_more_elements_than_the_body_may_have_are_not_divided() -> None:
    xml = document("<X></X>" * 5000)
    assert divide(xml, len(xml)) is not None
    assert divide(xml, 100) is None


@pytest.mark.parametrize(
    "part",
    [
        "<SOFTWARES><NAME>x</NAME></SOFTWARES><HARDWARE></HARDWARE><SOFTWARES></SOFTWARES>",
        "<SOFTWARES><X><NAME>x</NAME></X></SOFTWARES>",
        "<SOFTWARES><NAME>x</VERSION></SOFTWARES>",
        "<SOFTWARES><NAME>&nbsp;</NAME></SOFTWARES>",
        "<SOFTWARES><NAME>&#0;</NAME></SOFTWARES>",
        "<SOFTWARES><NAME>&#xd800;</NAME></SOFTWARES>",
        "<SOFTWARES><NAME>\ufffe</NAME></SOFTWARES>",
        "<SOFTWARES><NAME>x",
    ],
)
def test_software_that_is_not_of_the_plain_shape(part: str) -> None:
    assert read_software(part.encode()) is None
    assert read_software(b"<SOFTWARES><NAME>\xff</NAME></SOFTWARES>") is None


def test_software_is_bounded_as_in_the_whole() -> None:
    section = SECTIONS["SOFTWARES"]
    for line, count in ((f"<NAME>{'n' * (TEXT + 1)}</NAME>", 3), ("<NAME>n</NAME>", section.items + 1)):
        part = f"<SOFTWARES>{line}</SOFTWARES>" * count
        listed, expected = read_software(part.encode()), whole(document(part))
        assert listed is not None
        assert (listed.items, listed.is_cut) == (expected.software, True)
    assert section.characters < 5000 * (TEXT + LONG_TEXT)
    full = f"<SOFTWARES><NAME>{'n' * TEXT}</NAME><VERSION>{'v' * TEXT}</VERSION></SOFTWARES>" * 5000
    listed = read_software(full.encode())
    assert listed is not None
    assert listed.is_cut
    assert sum(len(value) for item in listed.items for value in item.values()) <= section.characters


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=20)


@given(st.lists(st.dictionaries(st.sampled_from(("NAME", "VERSION", "PUBLISHER")), TEXTS), max_size=5), TEXTS)
def test_any_texts_are_read_as_in_the_whole(rows: list[dict[str, str]], name: str) -> None:
    request = InventoryRequest("pc", {"NAME": name}, {}, (), None, software=tuple(rows))
    xml = b"".join(ocs.inflate(ocs.write_request(request), max_inflated_bytes=1_000_000))
    parts = divide(xml, len(xml))
    assert parts is not None
    listed = read_software(parts.software)
    assert listed is not None
    assert listed.items == whole(xml).software
    assert whole(parts.rest).hardware == whole(xml).hardware
