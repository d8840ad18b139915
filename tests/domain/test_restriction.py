"""To which computers an operator is restricted."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.filters.parse import parse
from distd.domain.restriction import MAX_FILTER, read_restriction


@pytest.mark.parametrize(
    "text", ["tag = Lyon", 'os ~ "windows*" NOT group("Servers") last_contact < 7d', 'tag in ("site 4", Lyon)']
)
def test_it_is_a_filter(text: str) -> None:
    assert read_restriction(text) == parse(text)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("tag = ~x", ["~x"]),
        ('TAG="c:\\"', ["c:\\"]),
        ('tag in ("site 4", <x>)', ["site 4", "<x>"]),
        ("tag in (" + ", ".join(["abc" * 20] * 65) + ")", ["abc" * 20] * 65),  # longer than a filter may be
    ],
)
def test_what_the_version_before_took_holds(text: str, tags: list[str]) -> None:
    found = read_restriction(text)
    assert set(getattr(found, "values")) == set(tags)  # noqa: B009 - of a comparison


@pytest.mark.parametrize(
    "text", ["", "tag", "tag =", "tag in ()", "colour = x", 'tag = "a', "@saved", "tag = " + "x" * MAX_FILTER]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"^sign_in.roles: expected"):
        read_restriction(text, "sign_in.roles")
