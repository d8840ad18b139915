from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.page import MAX_LIMIT, Window, read_window, write_cursor

WRITABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PLACES = st.tuples(st.text(WRITABLE, max_size=100) | st.none(), st.integers(-(2**63) + 1, 2**63 - 1))


@given(PLACES)
def test_a_cursor_is_read_as_it_was_written(place: Any) -> None:
    cursor = write_cursor(place)
    assert cursor.replace("-", "").replace("_", "").isalnum()  # it stands in a URL as it is
    assert read_window(5, cursor, (str, int)) == Window(5, list(place))


@given(st.text(max_size=60))
def test_any_other_text_is_refused_or_a_place(text: str) -> None:
    with suppress(BadInput):
        place = read_window(None, text, (int,)).place
        assert isinstance(place, list)
        assert len(place) == 1


@pytest.mark.parametrize(
    "place",
    [
        [],
        ["x", 1, 2],
        [1, "x"],
        ["x", True],
        ["x", 1.5],
        ["x", 1 << 63],
        ["x", ["y"]],
        ["x", {"y": 1}],
        ["\ud800", 1],
        ["a\0", 1],
    ],
    ids=ascii,
)
def test_another_lists_place_is_refused(place: Any) -> None:
    with pytest.raises(BadInput, match="cursor: expected what `next` of the page before said"):
        read_window(5, write_cursor(place), (str, int))


@pytest.mark.parametrize("cursor", ["", "%", "é", "[" * 4000, "W1tb" * 500, "bnVsbA", "\ud800"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadInput, match="cursor") as raised:
        read_window(5, cursor, (int,))
    str(raised.value).encode()  # an answer can say so


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_page_has_a_limit(limit: int) -> None:
    with pytest.raises(BadInput, match=f"limit: expected 1 to {MAX_LIMIT}, got {limit}"):
        read_window(limit, None, (int,))
    assert read_window(None, None, (int,)) == Window(100)
