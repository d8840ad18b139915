from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from distd.domain.errors import Corrupt
from distd.wire.packing import pack, unpack

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
MAPS = st.dictionaries(st.text(), VALUES, max_size=4)


class Row(Struct):
    number: int
    texts: list[str] = []
    digest: Annotated[bytes, Meta(max_length=4)] = b""


@given(MAPS)
def test_what_was_packed_is_unpacked(value: dict[str, Any]) -> None:
    assert unpack(pack(value), dict[str, Any], "x") == value


@given(MAPS)
def test_msgpack_and_msgspec_give_the_same_bytes(value: dict[str, Any]) -> None:
    assert pack(value) == msgpack.packb(value) == msgspec.msgpack.encode(value)


def test_large_values_have_the_same_bytes_too() -> None:
    for length in (31, 32, 255, 256, 65_535, 65_536):
        value = {"list": [0] * length, "text": "x" * length, "bytes": bytes(length)}
        assert pack(value) == msgpack.packb(value) == msgspec.msgpack.encode(value)


def test_structs_are_maps_in_the_order_of_their_fields() -> None:
    row = Row(1, ["a"], b"\0")
    assert pack(row) == msgpack.packb({"number": 1, "texts": ["a"], "digest": b"\0"})
    assert unpack(pack(row), Row, "row") == row


def test_unknown_keys_are_skipped() -> None:
    assert unpack(msgpack.packb({"number": 1, "new": {"a": [1]}}), Row, "row") == Row(1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "row: expected its fields, got Object missing required field number"),
        ({"number": True}, "row number: expected int, got bool"),
        ({"number": 1.0}, "row number: expected int, got float"),
        ({"number": 1, "texts": ["a", 2]}, "row texts[1]: expected str, got int"),
        ({"number": 1, "digest": bytes(5)}, "row digest: expected bytes of length <= 4, got something else"),
        ([1], "row: expected object, got array"),
    ],
)
def test_the_place_of_a_mismatch_is_named(value: Any, message: str) -> None:
    with pytest.raises(Corrupt) as caught:
        unpack(msgpack.packb(value), Row, "row")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgpack.packb({"number": 1}) + b"\0",
        msgpack.packb({"number": 1})[:-1],
        b"\x81\xa1\xff\x01",  # not UTF-8
        b"\x82\xa6number\x01\xa1x" + b"\x91" * 100_000 + b"\xc0",  # deep
        b"\x82\xa6number\x01\xa5texts\xdd\xff\xff\xff\xff",  # a long list that does not come
    ],
)
def test_bad_bytes_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match=r"row: expected (msgpack|object|its fields)"):
        unpack(data, Row, "row")


def test_an_error_quotes_only_the_beginning_of_a_long_text() -> None:
    class Choice(Struct):
        kind: Literal["a", "b"]

    with pytest.raises(Corrupt) as caught:
        unpack(pack({"kind": "x" * 1000}), Choice, "choice")
    assert (caught.value.expected, len(caught.value.got)) == ("its fields", 120)
    assert caught.value.got.startswith("Invalid enum value 'xxx")


def test_more_bytes_than_the_limit_are_not_looked_at() -> None:
    with pytest.raises(Corrupt, match="row: expected at most 8 bytes, got 9 bytes"):
        unpack(pack(Row(1))[:9], Row, "row", max_bytes=8)
    packed = pack(Row(1))
    assert unpack(packed, Row, "row", max_bytes=len(packed)) == Row(1)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_corrupt(data: bytes) -> None:
    with contextlib.suppress(Corrupt):
        assert isinstance(unpack(data, dict[str, Any], "x"), dict)
