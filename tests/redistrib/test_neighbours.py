"""Where a mirror fetches from, and where it sends agents."""

from __future__ import annotations

from distd.wire.mirror_events import PackageChange, State
from redistrib.neighbours import Neighbours

STATE = State(9, [], ["other:80"], "o:80", "o:443")


def test_the_origin_is_asked_first_by_http() -> None:
    neighbours = Neighbours("https://o:443")
    assert neighbours.sources() == ["https://o:443/download"]
    assert neighbours.redirect_target() == "https://o:443/download"
    neighbours.learn(STATE)
    assert neighbours.sources() == ["http://o:80/download", "https://o:443/download", "http://other:80/download"]
    neighbours.learn(PackageChange(10, []))  # it says nothing of mirrors
    assert "http://other:80/download" in neighbours.sources()
    neighbours.learn(PackageChange(11, [], mirrors=[]))
    assert "http://other:80/download" not in neighbours.sources()


def test_a_mirror_that_is_followed_is_asked_before_the_origin() -> None:
    neighbours = Neighbours("https://near:443")
    neighbours.learn(STATE)
    assert neighbours.sources()[:2] == ["https://near:443/download", "http://o:80/download"]
    assert neighbours.redirect_target() == "http://o:80/download"
