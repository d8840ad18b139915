from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.units import (
    DAY_S,
    FIGURE_UNITS,
    HOUR_S,
    format_duration,
    format_rate,
    format_size,
    format_time,
    format_volume,
    parse_deadline,
    parse_duration,
    parse_integer,
    parse_moment,
    parse_past,
    parse_rate,
    parse_share,
    parse_size,
    parse_weekday_time,
    split_rate,
)

WEDNESDAY = datetime(2026, 11, 25, 10, 30)  # noqa: DTZ001 - local


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1000", 1000),
        ("252Ko", 252_000),
        ("1 Mio", 1_048_576),
        ("2Go", 2_000_000_000),
        ("7 o", 7),
        ("0", 0),
        ("7b", 7),
        ("64KiB", 65_536),
        ("64k", 65_536),
        ("512kB", 512_000),
        ("512KB", 512_000),
        ("1MiB", 1_048_576),
        ("1mib", 1_048_576),
        (" 1 MiB ", 1_048_576),
        ("2M", 2_097_152),
        ("2MB", 2_000_000),
        ("1GiB", 2**30),
        ("1g", 2**30),
        ("3gb", 3_000_000_000),
    ],
)
def test_sizes_are_read(text: str, size_bytes: int) -> None:
    assert parse_size(text, "fragments.size_bytes") == size_bytes


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", "+1", "1.5MiB", "1e3", "1 PiB", "1MiBs", "1ki", "0x10", "1\n2", "٣", "9" * 16]
)
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_size(text, "--limit")
    assert (caught.value.field, caught.value.got) == ("--limit", text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7200", 7200), ("2h", 7200), ("90 min", 5400), ("1.5d", 129_600), ("30S", 30), ("1,5 j", 129_600)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text, "fragments.duration_s") == seconds


@pytest.mark.parametrize("text", ["", "h", "-2h", "2 weeks", "1e3", "2h30min"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"fragments.duration_s: expected a time such as 2h, 90min or 1.5d"):
        parse_duration(text, "fragments.duration_s")


@pytest.mark.parametrize("read", [parse_duration, lambda text, field: parse_moment(text, field, WEDNESDAY)])
def test_no_duration_is_over_a_hundred_years(read: Any) -> None:
    assert read("36525d", "at") > 0
    with pytest.raises(BadInput, match=r"at: .*got 36526d; it is over 100 years"):
        read("36526d", "at")


@pytest.mark.parametrize("text", ["9999-12-31", "2127-01-01 00:00"])
def test_no_time_to_come_is_over_a_hundred_years_off(text: str) -> None:
    with pytest.raises(BadInput, match="at: expected a time within the next 100 years"):
        parse_moment(text, "at", WEDNESDAY)


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [
        ("64kB/s", 64_000),
        ("1.5MB/s", 1_500_000),
        (" 2 MiB/s ", 2_097_152),
        ("4Mbit/s", 500_000),
        ("8bit/s", 1),
        ("1gib/s", 2**30),
    ],
)
def test_rates_are_read(text: str, bytes_per_s: float) -> None:
    assert parse_rate(text, "most") == bytes_per_s


@pytest.mark.parametrize("text", ["", "fast", "5MB", "5MB/s mon-fri", "5MB/s;1MB/s", "0B/s", "4bit/s", "-1kB/s"])
def test_bad_rates_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="most: expected a rate such as 64kB/s"):
        parse_rate(text, "most")


def test_a_rate_may_have_a_rest() -> None:
    assert split_rate("2kB/s each mon") == (2000, " each mon")
    assert split_rate("each 2kB/s") is None


@pytest.mark.parametrize(("text", "share"), [("0%", 0), ("2.5%", 0.025), (" 100% ", 1)])
def test_shares_are_read(text: str, share: float) -> None:
    assert parse_share(text, "--verify") == share


@pytest.mark.parametrize("text", ["", "2.5", "%", "101%", "-1%", "5 %%"])
def test_bad_shares_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--verify: expected a share such as 5%"):
        parse_share(text, "--verify")


@pytest.mark.parametrize(("text", "minutes"), [("Tue 8:30", 1440 + 510), ("sun", 6 * 1440), ("monday 7", 420)])
def test_times_of_the_week_are_read(text: str, minutes: int) -> None:
    assert parse_weekday_time(text, "--start") == minutes


@pytest.mark.parametrize("text", ["", "today", "mon 24:00", "mon 8:60", "mon 8:3", "8:30"])
def test_bad_times_of_the_week_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--start: expected a day and a time such as mon 8:30"):
        parse_weekday_time(text, "--start")


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("fri 18:00", 2 * DAY_S + 7.5 * HOUR_S),
        ("Friday 18", 2 * DAY_S + 7.5 * HOUR_S),
        ("wed 10:30", 7 * DAY_S),
        ("wed 10:31", 60.0),
        ("mon", 4 * DAY_S + 13.5 * HOUR_S),
        ("2026-11-27 18:00", 2 * DAY_S + 7.5 * HOUR_S),
        ("2026-11-27T18:00", 2 * DAY_S + 7.5 * HOUR_S),
        ("2026-11-25 10:30:05", 5.0),
        ("2026-11-26", 13.5 * HOUR_S),
        ("18:00", 7.5 * HOUR_S),
        ("18h00", 7.5 * HOUR_S),
        ("9h30", 23 * HOUR_S),
        ("ven. 18:00", 2 * DAY_S + 7.5 * HOUR_S),
        ("Vendredi à 18h", 2 * DAY_S + 7.5 * HOUR_S),
        ("vendredi 18h00", 2 * DAY_S + 7.5 * HOUR_S),
        ("mar 10:30", 6 * DAY_S),
        ("demain", 13.5 * HOUR_S),
        ("tomorrow at 8:30", 22 * HOUR_S),
        ("Demain 8h30", 22 * HOUR_S),
        ("aujourd\N{RIGHT SINGLE QUOTATION MARK}hui 18h", 7.5 * HOUR_S),
        ("27/11/2026 18:00", 2 * DAY_S + 7.5 * HOUR_S),
        ("27/11/2026 à 18h00", 2 * DAY_S + 7.5 * HOUR_S),
        ("26/11/2026", 13.5 * HOUR_S),
        ("3 j", 3 * DAY_S),
        ("2 jours", 2 * DAY_S),
        ("2h", 2 * HOUR_S),
        ("3d", 3 * DAY_S),
        ("90min", 5400.0),
    ],
)
def test_deadlines_are_read(text: str, expected_s: float) -> None:
    assert parse_deadline(text, "by", WEDNESDAY) == expected_s


@pytest.mark.parametrize(
    ("now", "text", "hours"),
    [
        ("2026-10-23 10:00", "mon 18:00", 81),  # on the Sunday between there are 25 hours
        ("2026-10-23 10:00", "2026-10-26 18:00", 81),
        ("2026-03-27 10:00", "mon 18:00", 79),
        ("2026-03-27 10:00", "3d", 72),
    ],
)
def test_a_deadline_counts_the_hour_by_which_clocks_change(
    now: str, text: str, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        assert parse_deadline(text, "by", datetime.fromisoformat(now)) == hours * HOUR_S
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "fri 25:00",
        "2026-11-25 10:00",
        "2026-13-01",
        "-3d",
        "today",
        "hier 8:00",
        "mars",
        "ve 18:00",
        "31/02/2027",
    ],
)
def test_bad_deadlines_are_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_deadline(text, "by", WEDNESDAY)
    assert caught.value.field == "by"


@pytest.mark.parametrize(
    ("text", "after_s"),
    [
        ("now", 0),
        (" NOW ", 0),
        ("maintenant", 0),
        ("2h", 7200),
        ("fri 18:00", 55.5 * HOUR_S),
        ("2026/11/25 12:30", 7200),
    ],
)
def test_times_to_come(text: str, after_s: float) -> None:
    assert parse_moment(text, "at", WEDNESDAY) == WEDNESDAY.timestamp() + after_s


@pytest.mark.parametrize("text", ["tomorow", "2026-11-25 10:30", "", "yesterday", "24:00", "18h60", "18:0"])
def test_bad_times_to_come_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="at: expected a time"):
        parse_moment(text, "at", WEDNESDAY)


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [
        ("maintenant", 0),
        ("7 j", 7 * DAY_S),
        ("hier", 34.5 * HOUR_S),
        ("yesterday 10:30", DAY_S),
        ("aujourd'hui", 10.5 * HOUR_S),
        ("lundi", 2 * DAY_S + 10.5 * HOUR_S),
        ("ven. 18:00", 4 * DAY_S + 16.5 * HOUR_S),
        ("24/11/2026 10:30", DAY_S),
    ],
)
def test_times_that_have_passed(text: str, ago_s: float) -> None:
    assert parse_past(text, "since", WEDNESDAY) == WEDNESDAY.timestamp() - ago_s


def test_rates_and_shares_as_french_writes_them() -> None:
    assert parse_rate("1,5 Mo/s", "rate") == 1_500_000
    assert parse_share("99,5 %", "share") == 0.995


def test_units_of_figures() -> None:
    assert FIGURE_UNITS["%"] * Decimal("99.9") == Decimal("0.999")
    assert {unit: float(FIGURE_UNITS[unit]) for unit in ("ms", "h", "/s", "kB", "GB", "MB/s")} == {
        "ms": 0.001, "h": 3600, "/s": 1, "kB": 1000, "GB": 1e9, "MB/s": 1e6}  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (0, "0.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 0 s"),
        (250, "4 min 10 s"),
        (3599.7, "1 h 0 min"),
        (3600 * 26 + 720, "26 h 12 min"),
        (3600 * 47 + 59.6 * 60, "2 d 0 h"),
        (86400 * 3 + 7200, "3 d 2 h"),
    ],
)
def test_durations_are_written(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (376_412, "376 kB"), (1_240_000, "1.24 MB"), (68.5e9, "68.5 GB"),
     (3e15, "3000 TB"), (999_600, "1 MB")],
)  # fmt: skip
def test_volumes_and_rates_are_written(value: float, text: str) -> None:
    assert format_volume(value) == text
    assert format_rate(value) == f"{text}/s"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (3 * 2**40, "3.0 TiB"),
     (5000 * 2**40, "5000.0 TiB")],
)  # fmt: skip
def test_sizes_are_written(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


def test_times_are_written_in_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        assert format_time(1_795_716_000.9) == "2026-11-26 19:00:00"
        assert format_time(None) == ""
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("000000000000000000000000000000100", 100), ("0", 0)])
def test_whole_numbers_are_read_with_all_their_digits(text: str, number: int) -> None:
    assert parse_integer(text, "days", 0, 100) == number


@pytest.mark.parametrize("text", ["", "101", "-1", "1.0", "٣", "0000000012", "1" * 5000, "0" * 9 + "1" * 5000])
def test_other_texts_are_no_whole_numbers_in_the_limits(text: str) -> None:
    with pytest.raises(BadInput, match="days: expected 1 to 10, got "):
        parse_integer(text, "days", 1, 10)
