"""Settings: the table, where a value may come from, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.records import DownloadConfig
from distd.domain.settings import TABLE, Settings, load

LATENCY = "download.frag_latency_s"


def test_the_defaults_are_those_of_the_table_and_fit_it() -> None:
    settings = load({}, {}, {})
    for name, row in TABLE.items():
        assert settings[name] == row.default
        assert row.parse(row.default, name) == row.default
        assert row.meaning
    assert settings.download == DownloadConfig()


def test_a_name_is_section_and_key_and_its_variable_is_its_own() -> None:
    assert all(name.count(".") == 1 for name in TABLE)
    assert TABLE[LATENCY].variable == "DISTD_DOWNLOAD_FRAG_LATENCY_S"
    assert len({row.variable for row in TABLE.values()}) == len(TABLE)


FILE, VARIABLE, OPTION = {"download": {"frag_latency_s": 1}}, {"DISTD_DOWNLOAD_FRAG_LATENCY_S": "2"}, {LATENCY: "3"}


@pytest.mark.parametrize(
    ("sources", "value"),
    [
        (({}, {}, {}), 15),
        ((FILE, {}, {}), 1),
        ((FILE, VARIABLE, {}), 2),
        (({}, VARIABLE, {}), 2),
        ((FILE, {}, OPTION), 3),
        ((FILE, VARIABLE, OPTION), 3),
    ],
)
def test_the_later_source_wins(sources: Any, value: Any) -> None:
    settings = load(*sources)
    assert settings[LATENCY] == value
    assert settings.download.frag_latency_s == value


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("download.on", False, False),
        ("download.on", "off", False),
        ("download.on", "TRUE", True),
        ("download.on", "0", False),
        ("download.on", "1", True),
        (LATENCY, 0, 0),
        (LATENCY, "0", 0),
        (LATENCY, "86400", 86_400),
        ("agents.inventory_freq_days", "-1", -1),
        ("server.host", "ocs.example", "ocs.example"),
    ],
)
def test_values(name: Any, given: Any, value: Any) -> None:
    parsed = TABLE[name].parse(given, name)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("download.on", "maybe"),
        ("download.on", ""),
        ("download.on", 2),
        (LATENCY, -1),
        (LATENCY, 86_401),
        (LATENCY, "soon"),
        (LATENCY, "1.5"),
        (LATENCY, 1.5),
        (LATENCY, True),
        (LATENCY, [1]),
        (LATENCY, "9" * 5000),
        ("download.period_length", 0),
        ("server.host", 7),
        ("server.host", None),
    ],
)
def test_bad_values_are_refused(name: Any, given: Any) -> None:
    with pytest.raises(BadInput) as caught:
        TABLE[name].parse(given, "here")
    assert (caught.value.field, caught.value.expected, caught.value.got) == ("here", TABLE[name].expected, given)


@pytest.mark.parametrize(
    ("sources", "field"),
    [
        (({"download": {"frag_latency": 1}}, {}, {}), "distd.toml: download.frag_latency"),
        (({"downloads": {"on": True}}, {}, {}), "distd.toml: downloads.on"),
        (({"download": 1}, {}, {}), "distd.toml: download"),
        (({"download": {"on": "maybe"}}, {}, {}), "distd.toml: download.on"),
        (({}, {"DISTD_DOWNLOAD_ON": "maybe"}, {}), "DISTD_DOWNLOAD_ON"),
        (({}, {}, {"frag_latency_s": "1"}), "--set frag_latency_s"),
        (({}, {}, {LATENCY: "x"}), f"--set {LATENCY}"),
    ],
)
def test_the_error_names_the_place(sources: Any, field: Any) -> None:
    with pytest.raises(BadInput) as caught:
        load(*sources)
    assert caught.value.field == field


def test_other_variables_are_ignored() -> None:
    assert load({}, {"PATH": "/bin", "DISTD_DATA": "/srv"}, {})[LATENCY] == 15


def test_an_unknown_name_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Settings()["download.frag_latency"]
