"""Content-Range, as it comes from outside."""

from __future__ import annotations

import pytest

from distd.wire.content_range import ContentRange, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-999/5000", ContentRange(0, 999, 5000)),
        ("bytes 0-0/1", ContentRange(0, 0, 1)),
        (" bytes 4999-4999/5000 ", ContentRange(4999, 4999, 5000)),
        ("bytes 7-9/*", ContentRange(7, 9, None)),
    ],
)
def test_what_is_one(text: str, expected: ContentRange) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes */1000",
        "bytes 5-4/10",
        "bytes 0-10/10",
        "bytes 0-9",
        "items 0-9/10",
        "bytes=0-9/10",
        "bytes 0-9/10, 20-29/50",
        f"bytes 0-9/{10**15}",
        "bytes -1-9/10",
        "bytes 0x1-9/10",
    ],
)
def test_what_is_none(text: str) -> None:
    assert parse(text) is None


def test_its_length() -> None:
    assert ContentRange(100, 199, None).length == 100
