"""The operator's rules, which are replaced as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import MAX_RULES
from distd.origin.mirrors import rules

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_rules_replace_those_before_them(origin: TestOrigin) -> None:
    origin.act(rules.set_rules, ["name equals name"], 0.0)
    origin.act(rules.set_rules, ["TAG LIKE NAME", "IPSUBNET EQUALS IPSUBNET"], 0.0)
    assert [str(rule) for rule in origin.read(rules.list_rules)] == ["TAG LIKE NAME", "IPSUBNET EQUALS IPSUBNET"]
    assert origin.events(Kind.MIRROR_RULES)[-1].detail == {
        "rules": ["TAG LIKE NAME", "IPSUBNET EQUALS IPSUBNET"],
        "before": ["NAME EQUALS NAME"],
    }
    assert origin.act(rules.set_rules, [], 0.0) == origin.read(rules.list_rules) == []


@pytest.mark.parametrize("texts", [["TAG LIKE"], ["TAG LIKE NAME"] * (MAX_RULES + 1)])
def test_bad_rules_change_nothing(origin: TestOrigin, texts: list[str]) -> None:
    origin.act(rules.set_rules, ["TAG LIKE NAME"], 0.0)
    with pytest.raises(BadInput):
        origin.act(rules.set_rules, texts, 0.0)
    assert len(origin.read(rules.list_rules)) == 1
