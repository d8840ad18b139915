from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from distd.domain.errors import Corrupt
from distd.wire.mirror_events import (
    Decoder,
    Heartbeat,
    PackageChange,
    State,
    WantedPackage,
    encode,
    read,
)
from distd.wire.packing import MAX_BYTES, pack

if TYPE_CHECKING:
    from distd.wire.mirror_events import Event

STORED = Path(__file__).parent / "stored"  # bytes that the version before wrote
HTTP, HTTPS = "distd.example.org:8080", "distd.example.org:8443"
PACKAGES = [
    WantedPackage("1700000001", 1, 53_000_000, needed=True),
    WantedPackage("1700000002", 70_000, 2**40, needed=False),
    *(WantedPackage(str(number), 200, 300, needed=True) for number in range(20)),
]
EVENTS: list[Event] = [
    State(70_000, PACKAGES, ["mirror.paris.example.org:8080", "10.1.0.7:8080"], HTTP, HTTPS),
    State(0, [], [], HTTP, HTTPS),
    PackageChange(70_001, PACKAGES[:1], ["1600000000"], [], 5, HTTP, HTTPS),
    PackageChange(2**40, [], [], ["é:1"], 0, HTTP, HTTPS),
    Heartbeat(200),
]

NUMBERS = st.integers(0, 2**62)
IDS = NUMBERS.map(str)
VERSIONS = st.integers(0, 2**31 - 1)
WAITS_S = st.integers(0, 2**31) | st.floats(0, 2**31)
ROWS = st.lists(st.builds(WantedPackage, IDS, VERSIONS, NUMBERS, st.booleans()), max_size=4)
TEXTS = st.lists(st.text(max_size=300), max_size=3)
MIRRORS = TEXTS | st.just(UNSET)
ANY_EVENTS = (
    st.builds(State, NUMBERS, ROWS, MIRRORS, st.text(max_size=300), st.text(max_size=300))
    | st.builds(
        PackageChange,
        NUMBERS,
        ROWS,
        st.lists(IDS, max_size=3),
        MIRRORS,
        WAITS_S,
        st.text(max_size=300),
        st.text(max_size=300),
    )
    | st.builds(Heartbeat, NUMBERS)
)


def frame(message: Any) -> bytes:
    body = msgpack.packb(message)
    return len(body).to_bytes(4, "big") + bytes(body)


# --- other versions


def test_the_bytes_are_those_of_the_version_before() -> None:
    stored = (STORED / "events").read_bytes()
    assert b"".join(map(encode, EVENTS)) == stored
    assert Decoder().feed(stored) == EVENTS


def test_a_state_file_of_the_version_before_is_read_and_written() -> None:
    stored = (STORED / "state").read_bytes()
    state = State(0, PACKAGES[:2], http=HTTP, https=HTTPS)
    assert read(stored) == state
    assert pack(state) == stored


def test_keys_of_a_newer_version_are_skipped() -> None:
    newer = {"kind": "state", "new": {"a": [1]}, "seq": 7, "packages": [["17", 1, 2, True, "new"]]}
    assert Decoder().feed(frame(newer)) == [State(7, [WantedPackage("17", 1, 2, needed=True)])]


def test_an_event_of_a_newer_version_counts_as_a_heartbeat() -> None:
    assert Decoder().feed(frame({"kind": "group", "seq": 7, "packages": 3})) == [Heartbeat(7)]


# --- the stream


@given(st.lists(ANY_EVENTS, max_size=5), st.data())
def test_events_are_decoded_from_any_pieces(events: list[Event], data: Any) -> None:
    stream = b"".join(map(encode, events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder, found = Decoder(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:stop])
    assert found == events
    assert decoder.pending_bytes == 0


def test_events_are_decoded_byte_by_byte() -> None:
    stream, decoder = b"".join(map(encode, EVENTS)), Decoder()
    assert [event for byte in stream for event in decoder.feed(bytes([byte]))] == EVENTS
    assert decoder.feed(stream[:9]) == []
    assert decoder.pending_bytes == 9


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xff\xff\xff", id="too long"),
        pytest.param(b"\x00\x00\x00\x01\xc1", id="not msgpack"),
        pytest.param(frame(1), id="not a map"),
        pytest.param(frame({1: 1}), id="a key that is not a text"),
        pytest.param(frame({"seq": 1}), id="without a kind"),
        pytest.param(frame({"kind": "beat"}), id="without a number"),
        pytest.param(frame({"kind": "beat", "seq": "1"}), id="a number that is a text"),
        pytest.param(frame({"kind": "state", "seq": 1}), id="without packages"),
        pytest.param(frame({"kind": "state", "seq": 1, "packages": [["17", 1, 2]]}), id="a short row"),
        pytest.param(frame({"kind": "state", "seq": 1, "packages": [["../17", 1, 2, True]]}), id="a bad package id"),
        pytest.param(frame({"kind": "package", "seq": 1, "packages": [["17", True, 2, True]]}), id="a bad version"),
        pytest.param(frame({"kind": "package", "seq": 1, "packages": [], "gone": "17"}), id="a text for a list"),
        pytest.param(frame({"kind": "beat", "seq": -1}), id="a negative number"),
        pytest.param(frame({"kind": "beat", "seq": 2**63}), id="a number that is too large"),
        pytest.param(frame({"kind": "state", "seq": 1, "packages": [["17", 2**31, 2, True]]}), id="a large version"),
        pytest.param(frame({"kind": "state", "seq": 1, "packages": [["17", 1, -2, True]]}), id="a negative size"),
        pytest.param(frame({"kind": "state", "seq": 1, "packages": [], "http": "x" * 301}), id="a long address"),
        pytest.param(frame({"kind": "state", "seq": 1, "packages": [], "mirrors": ["x" * 301]}), id="a long mirror"),
        pytest.param(frame({"kind": "package", "seq": 1, "packages": [], "gone": ["../17"]}), id="a bad id"),
        pytest.param(frame({"kind": "package", "seq": 1, "packages": [], "wait_s": math.nan}), id="no wait"),
        pytest.param(frame({"kind": "package", "seq": 1, "packages": [], "wait_s": math.inf}), id="an endless wait"),
    ],
)
def test_bad_bytes_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        Decoder().feed(data)


def test_an_event_over_the_limit_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode(State(1, [], ["x" * MAX_BYTES]))
