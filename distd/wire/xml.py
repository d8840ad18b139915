"""The XML of OCS: written by hand, read with expat, without DTD and entities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol
from xml.parsers import expat

from distd.domain.errors import BadInput, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_DEPTH: Final = 32
MAX_TAG_BYTES: Final = 1_048_576
MAX_ELEMENTS: Final = 500_000
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


def read(pieces: Iterable[bytes], handler: Handler, field: str) -> None:
    """Parse a document piece by piece and call `handler`. Raises `BadInput` that names `field`.

    Only the path of the open elements and the text of the innermost one are kept.
    """
    parser = _Parser(handler, field)
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


class _Parser:
    def __init__(self, handler: Handler, field: str) -> None:
        self._handler = handler
        self._field = field
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

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path += (name,)
        self._elements += 1
        self._drop_text()
        if len(self._path) > MAX_DEPTH:
            raise BadInput(self._field, f"elements at most {MAX_DEPTH} deep", "deeper ones")
        if self._elements > MAX_ELEMENTS:
            raise TooLarge(self._field, f"at most {MAX_ELEMENTS} elements", "more")
        self._handler.start(self._path, attributes)

    def _end(self, _name: str) -> None:
        self._handler.end(self._path, "".join(self._text))
        self._drop_text()
        self._path = self._path[:-1]

    def _add_text(self, text: str) -> None:
        if self._text_characters < MAX_TEXT_CHARACTERS:
            self._text.append(text)
            self._text_characters += len(text)

    def _drop_text(self) -> None:
        self._text.clear()
        self._text_characters = 0

    def _doctype(self, *_: object) -> None:
        raise BadInput(self._field, "XML without a DTD", "a DOCTYPE")
