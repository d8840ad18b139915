"""The limits of reading XML that no codec's own test can see."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from contextlib import suppress
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


def test_what_was_read_is_let_go_of_at_once() -> None:
    """A cycle kept each inventory until the next collection: 47 MB after 21 of them."""
    gc.disable()
    try:
        for document in (b"<A><B/></A>", b"<A><B>"):
            listener = Listener()
            gone = weakref.ref(listener)
            with suppress(BadInput):
                xml.read([document], listener, "body")
            del listener
            assert gone() is None
    finally:
        gc.enable()


def test_an_endless_text_is_not_kept() -> None:
    listener = Listener()
    tracemalloc.start()
    xml.read((b"<A>", *([b"x" * 65_536] * 320), b"</A>"), listener, "body")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(listener.texts[0]) <= 2 * xml.MAX_TEXT_CHARACTERS
    assert peak_bytes < 2_000_000


def test_the_text_of_an_element_is_without_that_around_it() -> None:
    listener = Listener()
    xml.read([b"<A>a<B>b&amp;b</B>c<C/></A>"], listener, "body")
    assert listener.texts == ["b&b", "", ""]


def test_as_many_elements_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_ELEMENTS", 3)
    xml.read([b"<A><B/><B/></A>"], Listener(), "body")
    with pytest.raises(TooLarge, match="at most 3 elements"):
        xml.read([b"<A><B/><B/><B/></A>"], Listener(), "body")


def test_as_deep_as_elements_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_DEPTH", 2)
    xml.read([b"<A><B/></A>"], Listener(), "body")
    with pytest.raises(BadInput, match="at most 2 deep"):
        xml.read([b"<A><B><C/></B></A>"], Listener(), "body")


def test_a_tag_that_is_just_short_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_TAG_BYTES", 10)
    xml.read([b"<A>", b"<B C='1234", b"'/></A>"], Listener(), "body")
    with pytest.raises(TooLarge, match="tags of at most 10 bytes"):
        xml.read([b"<A>", b"<B C='12345", b"'/></A>"], Listener(), "body")


def test_as_long_as_a_text_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes when there is enough is dropped; the next element begins with nothing."""
    monkeypatch.setattr(xml, "MAX_TEXT_CHARACTERS", 5)
    listener = Listener()
    xml.read([b"<A><B>", b"12345", b"\n", b"67", b"</B><C>", b"1234", b"\n", b"56", b"</C></A>"], listener, "body")
    assert listener.texts[0] == "12345"
    assert listener.texts[1].startswith("1234\n")


def test_what_is_written_is_read_back() -> None:
    text = "a\tb\nc\r\"d'e<f>&g é \U0001f600"
    listener = Listener()
    xml.read([f"<A>{xml.leaf('B', text)}</A>".encode()], listener, "body")
    assert listener.texts[0] == text


@pytest.mark.parametrize("text", ["\0", "\x1b", "\ud800", "￾"])
def test_what_xml_cannot_carry_is_refused(text: Any) -> None:
    with pytest.raises(BadInput, match="NAME: expected characters that XML"):
        xml.leaf("NAME", text)
