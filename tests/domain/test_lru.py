"""Who is let go of."""

from __future__ import annotations

from distd.domain.lru import Lru


def test_the_least_recently_used_item_is_removed() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1  # used now
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)


def test_a_value_is_replaced_and_no_item_removed() -> None:
    cache: Lru[str, int] = Lru(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        cache.put(key, value)
    assert (cache.get("a"), cache.get("b")) == (3, 2)


def test_pop_removes_an_item() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    assert cache.pop("a") == 1
    assert cache.pop("a") is None
    assert len(cache) == 0


def test_items_are_removed_by_their_weight() -> None:
    cache: Lru[str, str] = Lru(10, len)
    for key, value in (("a", "four"), ("b", "four"), ("c", "")):
        cache.put(key, value)
    cache.put("d", "xyz")
    assert [key for key in "abcd" if cache.get(key) is not None] == ["b", "c", "d"]
    cache.put("b", "x")  # replaced by a lighter one
    cache.put("e", "sixsix")
    assert len(cache) == 4
    cache.pop("e")
    cache.put("f", "sixsix")
    assert len(cache) == 4


def test_an_item_heavier_than_all_stays_alone() -> None:
    cache: Lru[str, str] = Lru(3, len)
    cache.put("a", "x")
    cache.put("b", "heavy")
    assert (cache.get("a"), cache.get("b"), len(cache)) == (None, "heavy", 1)
    cache.put("c", "y")
    assert (cache.get("b"), cache.get("c")) == (None, "y")
