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
