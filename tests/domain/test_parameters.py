"""Which parameters hold: OCS's rules."""

from __future__ import annotations

from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.parameters import (
    PARAMETERS,
    Effective,
    Own,
    check_values,
    effective,
    of_agent,
    read_values,
)
from distd.domain.settings import TABLE, settings_of

SETTINGS = settings_of({"download.frag_latency_s": 7})
FRAG, LENGTH, ON, INVENTORY = (
    "download.frag_latency_s",
    "download.period_length",
    "download.on",
    "agents.inventory_freq_days",
)


def test_every_parameter_is_a_setting_that_is_a_number_or_a_switch() -> None:
    assert all(isinstance(TABLE[name].default, int) for name in PARAMETERS)
    assert {name for name in TABLE if name.startswith("download.")} <= set(PARAMETERS)


def test_without_any_the_settings_hold() -> None:
    assert effective(SETTINGS, {})[FRAG] == Effective(7, "settings")
    assert effective(SETTINGS, {})[ON] == Effective(True, "settings")
    told = of_agent(SETTINGS, {})
    assert (told.download, told.prolog_freq_h, told.inventory_freq_days) == (SETTINGS.download, 24, 0)


@pytest.mark.parametrize(
    ("name", "site", "groups", "own", "expected"),
    [
        (FRAG, {FRAG: 20}, {}, {}, Effective(20, "site")),
        (FRAG, {FRAG: 20}, {"A": {FRAG: 3}}, {}, Effective(3, "group A")),
        (FRAG, {}, {"A": {FRAG: 3}, "B": {FRAG: 5}, "C": {LENGTH: 1}}, {}, Effective(5, "group B")),
        (FRAG, {}, {"A": {FRAG: 5}, "B": {FRAG: 5}}, {}, Effective(5, "group A")),
        (FRAG, {FRAG: 20}, {"A": {FRAG: 30}}, {FRAG: 0}, Effective(0, "computer")),
        (LENGTH, {}, {"A": {LENGTH: 12}, "B": {LENGTH: 11}}, {}, Effective(11, "group B")),
        ("download.timeout_days", {}, {"A": {"download.timeout_days": 9}}, {}, Effective(9, "group A")),
        (
            "agents.prolog_freq_h",
            {},
            {"A": {"agents.prolog_freq_h": 9}, "B": {"agents.prolog_freq_h": 2}},
            {},
            Effective(2, "group B"),
        ),
        (INVENTORY, {INVENTORY: 3}, {"A": {INVENTORY: -1}, "B": {INVENTORY: 7}}, {}, Effective(7, "group B")),
        (INVENTORY, {INVENTORY: 3}, {"A": {INVENTORY: -1}}, {}, Effective(-1, "group A")),
        (ON, {}, {"A": {ON: 1}, "B": {ON: 0}}, {}, Effective(False, "group B")),
        (ON, {}, {"B": {ON: 0}}, {ON: 1}, Effective(False, "group B")),
        (ON, {ON: 0}, {"A": {ON: 1}}, {ON: 1}, Effective(False, "site")),
        (ON, {}, {}, {ON: 0}, Effective(False, "computer")),
    ],
)
def test_which_value_holds(name: str, site: Any, groups: Any, own: Any, expected: Effective) -> None:
    assert effective(SETTINGS, site, Own(groups, own))[name] == expected


def test_off_in_the_settings_is_off() -> None:
    off = settings_of({ON: False})
    assert effective(off, {ON: 1}, Own({"A": {ON: 1}}, {ON: 1}))[ON] == Effective(False, "settings")


def test_an_agent_is_told_what_holds() -> None:
    told = of_agent(SETTINGS, {LENGTH: 4}, Own({"A": {ON: 0}}, {FRAG: 1, "agents.prolog_freq_h": 2}))
    assert (told.download.frag_latency_s, told.download.period_length, told.download.on) == (1, 4, False)
    assert told.prolog_freq_h == 2


def test_values_are_checked_as_the_settings_are() -> None:
    assert read_values({FRAG: "3", ON: "off", LENGTH: ""}) == {FRAG: 3, ON: 0, LENGTH: None}
    assert check_values({FRAG: 3, ON: False, LENGTH: None}) == {FRAG: 3, ON: 0, LENGTH: None}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (FRAG, -1, "download.frag_latency_s: expected a whole number from 0 to 86400, got -1"),
        (FRAG, True, "download.frag_latency_s: expected a whole number from 0 to 86400, got True"),
        (ON, 1, "download.on: expected true or false, got 1"),
        (LENGTH, 0, "download.period_length: expected a whole number from 1 to 1000, got 0"),
        ("download.frag_latency", 1, "did you mean download.frag_latency_s"),
        ("server.http", "x", "server.http: expected one of download.on"),
    ],
)
def test_what_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_values({name: value})
    assert message in str(caught.value)
