"""To which tags an operator is restricted."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.restriction import read_tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("tag = Lyon", ("Lyon",)),
        ('TAG="site 4"', ("site 4",)),
        ('tag in ("site 4", Lyon)', ("site 4", "Lyon")),
        ('tag in("a=b",)'.replace(",)", ")"), ("a=b",)),
    ],
)
def test_tags_are_read(text: str, tags: tuple[str, ...]) -> None:
    assert read_tags(text) == tags


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tag",
        "tag =",
        'tag = "a" OR tag = "b"',
        "tag != x",
        "tag in ()",
        "os = x",
        'tag = "a',
        "tag = " + "x" * 4096,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"^filter: expected"):
        read_tags(text)
