"""Messages in a row of bytes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import Corrupt
from distd.wire import number_ranges
from distd.wire.mirror_events import MAX_FRAME_BYTES, Decoder, encode, unpack

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
MESSAGES = st.dictionaries(st.text(), VALUES, max_size=4)


@given(st.lists(MESSAGES, max_size=5), st.data())
def test_in_any_pieces_they_come_out_as_they_went_in(messages: Any, data: Any) -> None:
    row = b"".join(map(encode, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(row)), max_size=6)))
    decoder, found = Decoder(), []
    for start, stop in zip([0, *cuts], [*cuts, len(row)], strict=True):
        found += decoder.feed(row[start:stop])
    assert found == messages
    assert decoder.left_bytes == 0


def test_byte_by_byte() -> None:
    row, decoder = encode({"a": 1}) + encode({"b": [2]}), Decoder()
    assert [message for byte in row for message in decoder.feed(bytes([byte]))] == [{"a": 1}, {"b": [2]}]


@pytest.mark.parametrize(
    "row",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x03\x81\x01\x01"],
    ids=["too long", "no msgpack", "no map", "keys that are no texts"],
)
def test_what_is_none(row: Any) -> None:
    with pytest.raises(Corrupt):
        Decoder().feed(row)


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_corrupt(data: Any) -> None:
    with contextlib.suppress(Corrupt):
        assert isinstance(unpack(data, "x"), dict)


def test_a_message_over_the_limit_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode({"x": b"0" * MAX_FRAME_BYTES})


@given(st.sets(st.integers(1, 2000)))
def test_numbers_as_text(numbers: Any) -> None:
    assert number_ranges.parse(number_ranges.render(numbers)) == numbers
    assert number_ranges.parse(number_ranges.render(numbers), limit=2000) == numbers


@pytest.mark.parametrize("text", ["1-99999999999999", "x", "1-", "-5", "1-2-3"])
def test_numbers_that_are_too_many_or_none(text: Any) -> None:
    if text == "1-":
        assert number_ranges.parse(text) == {1}
        return
    with pytest.raises(ValueError, match=r".+"):
        number_ranges.parse(text, limit=1000)
