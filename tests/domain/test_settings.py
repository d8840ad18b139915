"""Settings: the table, where a value may come from, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.settings import TABLE, DownloadConfig, Settings, load, settings_of

LATENCY = "download.frag_latency_s"


def test_the_defaults_are_those_of_the_table_and_fit_it() -> None:
    settings = load({}, {}, {})
    for name, row in TABLE.items():
        assert settings.value(name) == row.default
        assert settings.origin(name) == "default"
        assert row.accept(row.default, name) == row.default
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
    assert settings.value(LATENCY) == value
    assert settings.download.frag_latency_s == value


@pytest.mark.parametrize(
    ("sources", "origin"),
    [
        ((FILE, {}, {}), "distd.toml"),
        ((FILE, VARIABLE, {}), "DISTD_DOWNLOAD_FRAG_LATENCY_S"),
        ((FILE, VARIABLE, OPTION), "--set"),
    ],
)
def test_where_a_value_comes_from_is_kept(sources: Any, origin: str) -> None:
    settings = load(*sources)
    assert settings.origin(LATENCY) == origin
    assert settings.origin("download.on") == "default"
    assert settings == settings_of({LATENCY: settings.value(LATENCY)})  # where it comes from makes no difference


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("download.on", "off", False),
        ("download.on", "TRUE", True),
        ("download.on", "0", False),
        ("download.on", "1", True),
        (LATENCY, "0", 0),
        (LATENCY, "86400", 86_400),
        ("agents.inventory_freq_days", "-1", -1),
        ("server.host", "ocs.example", "ocs.example"),
        ("server.http", "[::]:8080", "[::]:8080"),
        ("mirrors.via", "direct", "direct"),
        ("bandwidth.rules", "2MB/s mon-fri 8-18; 64kB/s each", "2MB/s mon-fri 8-18; 64kB/s each"),
        ("bandwidth.rules", "", ""),
    ],
)
def test_texts_are_read(name: str, text: str, value: Any) -> None:
    parsed = TABLE[name].parse_text(text, name)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("download.on", "maybe"),
        ("download.on", ""),
        (LATENCY, "-1"),
        (LATENCY, "86401"),
        (LATENCY, "soon"),
        (LATENCY, "1.5"),
        (LATENCY, "9" * 5000),
        ("download.period_length", "0"),
        ("mirrors.via", "rsync"),
    ],
)
def test_texts_that_mean_no_value_are_refused(name: str, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        TABLE[name].parse_text(text, "here")
    assert (caught.value.field, caught.value.expected) == ("here", TABLE[name].expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("download.on", "true"),
        ("download.on", 1),
        (LATENCY, "15"),
        (LATENCY, 1.5),
        (LATENCY, True),
        (LATENCY, [1]),
        (LATENCY, None),
        ("server.host", 7),
        ("mirrors.via", 7),
    ],
)
def test_a_file_has_values_of_the_settings_own_type(name: str, value: Any) -> None:
    with pytest.raises(BadInput) as caught:
        TABLE[name].accept(value, "here")
    assert (caught.value.field, caught.value.expected, caught.value.got) == ("here", TABLE[name].expected, value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("server.host", "", "a host name or an address"),
        ("server.host", "a b", "a host name or an address"),
        ("server.host", "https://x", "a host name or an address"),
        ("server.http", "8080", "HOST:PORT"),
        ("server.http", ":8080", "HOST:PORT"),
        ("server.https", "0.0.0.0:65536", "HOST:PORT"),
        ("bandwidth.rules", "fast", "a rate"),
        ("bandwidth.rules", "2MB/s sometimes", ""),
    ],
)
def test_what_a_text_says_is_checked(name: str, value: str, expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        TABLE[name].accept(value, "here")
    assert caught.value.field.startswith("here")
    assert expected in caught.value.expected


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


def test_variables_of_others_are_ignored() -> None:
    assert load({}, {"PATH": "/bin", "DISTD_DATA": "/srv", "XDISTD_A": "1"}, {}) == Settings()


@pytest.mark.parametrize(
    ("sources", "hint"),
    [
        (({}, {"DISTD_DOWNLOAD_FRAG_LATENCY": "1"}, {}), "did you mean DISTD_DOWNLOAD_FRAG_LATENCY_S?"),
        (({}, {"DISTD_": "1"}, {}), "`distd config show` lists them"),
        (({}, {}, {"download.frag_latency": "1"}), "did you mean download.frag_latency_s?"),
        (({"server": {"prot": 1}}, {}, {}), "did you mean server.host?"),
        (({"x": {"y": 1}}, {}, {}), "`distd config show` lists them"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(sources: Any, hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(*sources)
    assert caught.value.hint == hint


def test_a_value_is_read_by_its_section_too() -> None:
    settings = settings_of({LATENCY: 7, "mirrors.wave": 3})
    assert (settings.download.frag_latency_s, settings.mirrors.wave, settings.mirrors.wave_pause_s) == (7, 3, 5)
    with pytest.raises(AttributeError):
        settings.value("download.frag_latency")
