"""Numbers as sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distd.domain.bits import places_of


@given(st.sets(st.integers(0, 300)))
def test_the_places_of_a_number_make_it(places: set[int]) -> None:
    assert places_of(sum(1 << place for place in places)) == sorted(places)
