"""The XML of an INVENTORY in two parts that are read apart: its software, and the rest.

Software is nine tenths of an inventory, and hardly ever changes. As a part of its own it can be compared by its digest
before anything is parsed; and where it has changed, it is read by regular expressions, ten times as quickly as
element by element. That is exact only for documents of the plain shape that agents write. Any other is not divided:
`wire.ocs.read_request` reads it as a whole, and refuses what is no XML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from distd.domain.errors import BadInput
from distd.domain.inventory import ITEM_CHARACTERS, SECTIONS
from distd.wire.ocs import FREE_ELEMENTS, MAX_ELEMENTS_PER_BYTE
from distd.wire.xml import MAX_ELEMENTS, is_character

_SECTION: Final = SECTIONS["SOFTWARES"]
_OPEN: Final = b"<SOFTWARES>"
_CLOSE: Final = b"</SOFTWARES>"
_DECLARATION: Final = re.compile(
    rb"""\s*(?:<\?xml version=["']1\.0["'](?: encoding=["'][Uu][Tt][Ff]-8["'])? ?\?>)?\s*<REQUEST>"""
)
# Comments, CDATA, processing instructions: a tag in them is none.
_UNUSUAL: Final = (b"<!", b"<?")
# Characters that XML lacks: bytes, and what UTF-8 can say otherwise.
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\r"))
_NO_CHARACTERS: Final = ("\ufffe", "\uffff")
_QUERY: Final = b"<QUERY>INVENTORY</QUERY>"
_DEVICE_ID: Final = re.compile(rb"<DEVICEID>([^<&]{1,255})</DEVICEID>")
# Possessive: what is not of this shape is found out in one pass.
_SPACE: Final = r"[ \t\r\n]*+"
_LEAF: Final = r"<(?:([A-Z][A-Z_0-9]*+)>[^<]*+</\1>|[A-Z][A-Z_0-9]*+ ?/>)"
_ITEMS: Final = re.compile(f"(?:{_SPACE}<SOFTWARES>(?:{_SPACE}{_LEAF})*+{_SPACE}</SOFTWARES>)*+{_SPACE}")
_FIELD: Final = re.compile(f"<({'|'.join(_SECTION.fields)})>([^<]*)<|</SOFTWARES>")
_REFERENCE: Final = re.compile("&(?:#([0-9]{1,7})|#x([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));|&")
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


@dataclass(frozen=True, slots=True)
class DividedInventory:
    """`software` are the SOFTWARES elements, and what stands between them; `rest` is the document without them."""

    device_id: str
    software: bytes
    rest: bytes


@dataclass(frozen=True, slots=True)
class SoftwareList:
    """What `software` says: see `InventoryRequest.software`. `is_cut`: more was beyond the limits."""

    items: tuple[dict[str, str], ...]
    is_cut: bool


def divide(xml: bytes, body_bytes: int) -> DividedInventory | None:
    """The parts of an INVENTORY that came in a body of so many bytes; None: it is not of the plain shape, or too
    large."""
    max_elements = min(FREE_ELEMENTS + MAX_ELEMENTS_PER_BYTE * body_bytes, MAX_ELEMENTS)
    declaration = _DECLARATION.match(xml)
    if declaration is None or xml.count(b"<") > 2 * max_elements or not _is_plain(xml, declaration.end()):
        return None
    content, end_of_content = xml.find(b"<CONTENT>"), xml.rfind(b"</CONTENT>")
    if not 0 <= content < end_of_content:
        return None
    around = xml[declaration.end() : content], xml[end_of_content:]
    names = [name for part in around for name in _DEVICE_ID.findall(part)]
    if len(names) != 1 or sum(part.count(_QUERY) for part in around) != 1:
        return None
    try:
        device_id = names[0].decode().strip()
    except UnicodeDecodeError:
        return None
    if not device_id or not device_id.isprintable():
        return None
    start, end = xml.find(_OPEN, content), xml.rfind(_CLOSE, content, end_of_content)
    if not 0 <= start < end:
        start = end = end_of_content
    else:
        end += len(_CLOSE)
    return DividedInventory(device_id, xml[start:end], xml[:start] + xml[end:])


def read_software(part: bytes) -> SoftwareList | None:
    """What a part is of which nothing is known yet. None: it is not of the plain shape."""
    try:
        text = part.decode()
        if any(each in text for each in _NO_CHARACTERS):
            return None
        if _ITEMS.fullmatch(text) is None:
            return None
        return _read(text)
    except (UnicodeDecodeError, BadInput):
        return None


def _is_plain(xml: bytes, start: int) -> bool:
    if any(xml.find(mark, start) >= 0 for mark in _UNUSUAL):
        return False
    return len(xml.translate(None, _CONTROLS)) == len(xml)


def _read(text: str) -> SoftwareList:
    items: list[dict[str, str]] = []
    item: dict[str, str] = {}
    left, is_cut = _SECTION.characters, False
    for name, value in _FIELD.findall(text):
        if not name:
            if len(items) == _SECTION.items:
                return SoftwareList(tuple(items), is_cut=True)
            items.append(item)
            item = {}
            continue
        value = (_without_references(value) if "&" in value else value).strip()
        limit = _SECTION.fields[name]
        if len(value) > limit:
            value, is_cut = value[:limit], True
        left -= len(value) + ITEM_CHARACTERS
        if left < 0:
            return SoftwareList(tuple(items), is_cut=True)
        item[name] = value
    return SoftwareList(tuple(items), is_cut)


def _without_references(text: str) -> str:
    return _REFERENCE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return _ENTITIES[name]
    number = int(decimal or hexadecimal or "0", 16 if hexadecimal else 10)
    if not is_character(number):
        raise BadInput("body", "XML", match[0])
    return chr(number)
