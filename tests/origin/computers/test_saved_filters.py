"""Saved filters: private and shared ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.actor import operator
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.filters.parse import BadFilter, parse
from distd.domain.page import EVERYTHING
from distd.origin.computers import saved_filters
from distd.origin.computers.saved_filters import NewFilter

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

ALICE, BOB = operator("alice"), operator("bob")


def save(origin: TestOrigin, actor: Any, name: str, text: str, *, shared: bool = False) -> Any:
    return origin.write(saved_filters.save, actor, NewFilter(name, text, shared), 5.0)


def listed(origin: TestOrigin, actor: Any) -> list[tuple[str, str]]:
    return [(each.name, each.text) for each in origin.read(saved_filters.list_filters, actor, EVERYTHING).items]


def test_own_ones_come_before_shared_ones(origin: TestOrigin) -> None:
    save(origin, ALICE, "Élèves", "tag=x", shared=True)
    save(origin, BOB, "eleves", "tag=y")
    assert listed(origin, ALICE) == [("Élèves", 'tag = "x"')]
    assert listed(origin, BOB) == [("Élèves", 'tag = "x"'), ("eleves", 'tag = "y"')]
    assert origin.read(saved_filters.show, ALICE, "ELEVES").owner == "operator:alice"
    assert origin.read(saved_filters.read_filter, BOB, ' @"élèves" ') == parse("tag = y")
    origin.write(saved_filters.delete, BOB, "eleves", 6.0)
    assert origin.read(saved_filters.read_filter, BOB, "@eleves") == parse("tag = x")
    assert [event.detail["name"] for event in origin.events(Kind.FILTER_SAVED, Kind.FILTER_DELETED)] == [
        *("Élèves", "eleves", "eleves"),
    ]


def test_the_same_name_is_replaced(origin: TestOrigin) -> None:
    save(origin, ALICE, "a", "tag=x", shared=True)
    save(origin, BOB, "A", "tag=y", shared=True)
    save(origin, BOB, "b", "tag=z")
    save(origin, BOB, "b", "tag=z2")
    assert listed(origin, ALICE) == [("A", 'tag = "y"')]
    assert listed(origin, BOB) == [("A", 'tag = "y"'), ("b", 'tag = "z2"')]
    assert origin.read(saved_filters.show, ALICE, "a").owner == "operator:bob"


def test_what_cannot_be_saved(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", " ", "@x", "a/b", "fields", "Parse", "\u0301", "a\nb", "x" * 256):
        with pytest.raises(BadInput) as caught:
            save(origin, ALICE, name, "tag=x")
        assert caught.value.field == "name"
    with pytest.raises(BadFilter, match="no name of a saved filter"):
        save(origin, ALICE, "a", "@b")
    with pytest.raises(BadInput, match="description"):
        origin.write(saved_filters.save, ALICE, NewFilter("a", "x", description="\n"), 5.0)
    monkeypatch.setattr(saved_filters, "MAX_SAVED", 1)
    save(origin, ALICE, "a", "tag=x")
    save(origin, ALICE, "a", "tag=y")
    with pytest.raises(Conflict):
        save(origin, ALICE, "b", "tag=x")


def test_a_name_that_nobody_saved(origin: TestOrigin) -> None:
    save(origin, ALICE, "a", "tag=x")
    for act in (saved_filters.show, saved_filters.read_filter):
        with pytest.raises(NotFound):
            origin.read(act, BOB, "@a" if act is saved_filters.read_filter else "a")
    with pytest.raises(NotFound):
        origin.write(saved_filters.delete, BOB, "a", 5.0)
    assert origin.read(saved_filters.read_filter, BOB, "  ") is None
