"""The XML of OCS: written by hand, read with expat, without DTD and entities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol
from xml.parsers import expat

from distd.domain.errors import BadInput, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_DEPTH: Final = 32
MAX_TAG_BYTES: Final = 65_536
MAX_ELEMENTS: Final = 100_000
# No more is kept of a text between two tags: no value that is used is longer.
MAX_TEXT_CHARACTERS: Final = 65_536

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        # As character references, or a parser would make spaces of them in an attribute.
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def escape(text: str, field: str) -> str:
    """`text` written so that every parser reads it unchanged. Raises `BadInput` for characters that XML lacks."""
    invalid = _NOT_XML.search(text)
    if invalid is not None:
        raise BadInput(field, "characters that XML 1.0 has", f"{invalid[0]!r} at position {invalid.start()}")
    return text.translate(_ESCAPES)


def is_character(number: int) -> bool:
    """Whether XML 1.0 has the character with this number."""
    return number <= 0x10FFFF and _NOT_XML.match(chr(number)) is None


def element(name: str, attributes: Mapping[str, str], content: str | None = None) -> str:
    """An element. The attributes keep their order; `content` is XML already, None for an empty element."""
    start = "".join((f"<{name}", *(f' {key}="{escape(value, f"{name}/{key}")}"' for key, value in attributes.items())))
    return f"{start} />" if content is None else f"{start}>{content}</{name}>"


def leaf(name: str, text: str) -> str:
    """An element that contains a text."""
    return f"<{name}>{escape(text, name)}</{name}>"


class Handler(Protocol):
    """Gets the elements of a document, in their order. `path`: the names from the root to the element."""

    def start(self, path: tuple[str, ...], attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, path: tuple[str, ...], text: str) -> None:
        """An element ends. `text`: between its tags, without that of its children."""


def read(pieces: Iterable[bytes], handler: Handler, field: str, *, max_elements: int = MAX_ELEMENTS) -> None:
    """Parse a document piece by piece and call `handler`. Raises `BadInput` that names `field`.

    There are at most `MAX_ELEMENTS`, whatever `max_elements` says. Only the path of the open elements and the text of
    the innermost one are kept.
    """
    parser = _Parser(handler, field, min(max_elements, MAX_ELEMENTS))
    fed_bytes = 0
    try:
        for piece in pieces:
            parser.expat.Parse(piece, False)
            fed_bytes += len(piece)
            if fed_bytes - parser.expat.CurrentByteIndex > MAX_TAG_BYTES:
                raise TooLarge(field, f"tags of at most {MAX_TAG_BYTES} bytes", "longer ones")
        parser.expat.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        # An unknown encoding raises LookupError, an encoding that is not of bytes ValueError.
        raise BadInput(field, "XML", str(error)) from error
    finally:
        parser.close()


class _Parser:
    def __init__(self, handler: Handler, field: str, max_elements: int) -> None:
        self._handle_start = handler.start
        self._handle_end = handler.end
        self._field = field
        self._max_elements = max_elements
        self._path: tuple[str, ...] = ()
        self._text: list[str] = []
        self._text_characters = 0
        self._elements = 0
        self.expat = expat.ParserCreate()
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._add_text
        # A DTD is refused at its beginning, so entities are never declared or expanded.
        self.expat.StartDoctypeDeclHandler = self._doctype

    def close(self) -> None:
        """Let go of the handler, and with it of all that was read: else this cycle keeps it until it is collected."""
        self.expat.StartElementHandler = None
        self.expat.EndElementHandler = None
        self.expat.CharacterDataHandler = None
        self.expat.StartDoctypeDeclHandler = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        path = self._path = (*self._path, name)
        self._elements += 1
        if self._text:
            self._text.clear()
            self._text_characters = 0
        if len(path) > MAX_DEPTH:
            raise BadInput(self._field, f"elements at most {MAX_DEPTH} deep", "deeper ones")
        if self._elements > self._max_elements:
            raise TooLarge(self._field, f"at most {self._max_elements} elements", "more")
        self._handle_start(path, attributes)

    def _end(self, _name: str) -> None:
        text = ""
        if self._text:
            text = "".join(self._text)
            self._text.clear()
            self._text_characters = 0
        self._handle_end(self._path, text)
        self._path = self._path[:-1]

    def _add_text(self, text: str) -> None:
        if self._text_characters < MAX_TEXT_CHARACTERS:
            self._text.append(text)
            self._text_characters += len(text)

    def _doctype(self, *_: object) -> None:
        raise BadInput(self._field, "XML without a DTD", "a DOCTYPE")
