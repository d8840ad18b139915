"""The limits of reading XML that no codec's own test can see."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from distd.domain.errors import BadInput, TooLarge
from distd.wire import xml


class Listener:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def start(self, path: Any, attributes: Any) -> None:
        pass

    def end(self, path: Any, text: Any) -> None:
        self.texts.append(text)


def pieces(*parts: Any) -> Any:
    document = b"".join(parts)
    return (document[start : start + 65_536] for start in range(0, len(document), 65_536))


@pytest.mark.parametrize(
    "tag",
    [b'<A B="' + b"x" * 3_000_000 + b'"/>', b"<!--" + b"x" * 3_000_000 + b"--><A/>", b"<" + b"A" * 3_000_000 + b"/>"],
    ids=["attribute", "comment", "name"],
)
def test_a_tag_has_a_limit(tag: Any) -> None:
    with pytest.raises(TooLarge, match="tags of at most"):
        xml.read(pieces(tag), Listener(), "body")


def test_an_endless_text_is_not_kept() -> None:
    listener = Listener()
    tracemalloc.start()
    xml.read((b"<A>", *([b"x" * 65_536] * 320), b"</A>"), listener, "body")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(listener.texts[0]) <= 2 * xml.MAX_TEXT_CHARACTERS
    assert peak_bytes < 2_000_000


def test_what_is_written_is_read_back() -> None:
    text = "a\tb\nc\r\"d'e<f>&g é \U0001f600"
    listener = Listener()
    xml.read([f"<A>{xml.leaf('B', text)}</A>".encode()], listener, "body")
    assert listener.texts[0] == text


@pytest.mark.parametrize("text", ["\0", "\x1b", "\ud800", "￾"])
def test_what_xml_cannot_carry_is_refused(text: Any) -> None:
    with pytest.raises(BadInput, match="NAME: expected characters that XML"):
        xml.leaf("NAME", text)
