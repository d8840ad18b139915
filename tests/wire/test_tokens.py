"""Tokens: only the holder of the key makes them, and each has one spelling."""

from __future__ import annotations

from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from distd.wire import tokens
from distd.wire.tokens import MAX_ID, STEP_DAYS, check, last_day, make_endless, number_of

KEY = bytes(range(32))
IDS = st.integers(1, MAX_ID)
DAY = 20_432


def make(key: bytes, computer_id: int) -> str:
    return tokens.make(key, computer_id, DAY)


@given(IDS)
def test_a_token_names_its_computer(computer_id: Any) -> None:
    token = make(KEY, computer_id)
    assert check(KEY, token) == computer_id
    assert int(token.split("-")[0], 36) == computer_id
    assert set(token) <= set("0123456789abcdefghijklmnopqrstuvwxyz-")


@given(IDS, st.binary(min_size=32, max_size=32).filter(lambda key: key != KEY))
def test_another_key_makes_no_token_of_ours(computer_id: Any, key: Any) -> None:
    assert check(KEY, make(key, computer_id)) is None


@given(IDS, st.data())
def test_one_character_changed_is_no_token(computer_id: Any, data: Any) -> None:
    token = make(KEY, computer_id)
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(max_codepoint=0x17F).filter(lambda character: character != token[position]))
    assert check(KEY, token[:position] + other + token[position + 1 :]) is None


def test_the_form() -> None:
    assert [make(KEY, number).split("-")[0] for number in (1, 35, 36, MAX_ID)] == ["1", "z", "10", "2gosa7pa2gw"]
    assert {len(make(KEY, number).split("-")[1]) for number in (1, 36, MAX_ID)} == {20}


@given(IDS, st.integers(0, 60_000), st.integers(0, 60_000), st.integers(0, 9), st.integers(0, 9))
def test_it_counts_to_its_last_day_and_in_its_generation(
    number: int, last: int, today: int, own: int, now: int
) -> None:
    token = tokens.make(KEY, number, last, own)
    good = number if today <= last and own == now else None
    assert check(KEY, token, today, {number: now} if now else {}) == good
    assert number_of(token) == number


@given(IDS)
def test_those_of_distd_0_1_count_until_they_are_revoked(number: int) -> None:
    token = make_endless(KEY, number)
    assert check(KEY, token, 60_000) == number
    assert check(KEY, token, 0, {number: 1}) is None


@given(st.floats(0, 4e9), st.integers(1, 7300))
def test_the_last_day_is_late_enough_and_stays_the_same_for_a_while(now_s: float, life_days: int) -> None:
    last = last_day(now_s, life_days)
    assert 0 <= last - tokens.day_of(now_s) - life_days < STEP_DAYS
    assert last % STEP_DAYS == 0


@pytest.mark.parametrize("computer_id", [0, -1, MAX_ID + 1])
def test_no_computer(computer_id: Any) -> None:
    with pytest.raises(ValueError, match="computer_id"):
        make(KEY, computer_id)


def test_a_number_beyond_the_last_is_refused_even_with_the_right_digits() -> None:
    def token(number: Any, text: Any) -> Any:
        return f"{text}-{blake3(number.to_bytes(8, 'big'), key=KEY).hexdigest()[:20]}"

    assert token(MAX_ID, "2gosa7pa2gw") == make_endless(KEY, MAX_ID)
    assert check(KEY, token(MAX_ID + 1, "2gosa7pa2gx")) is None


MAC = make(KEY, 36).split("-")[1]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "-",
        "10",
        f"-{MAC}",
        f"10{MAC}",
        f"10-{MAC[:-1]}",
        f"10-{MAC}0",
        f"010-{MAC}",
        f" 10-{MAC}",
        f"10-{MAC}\n",
        f"1o-{MAC}",
        f"+10-{MAC}",
        f"1_0-{MAC}",
        f"0-{MAC}",
        f"10-{MAC.upper()}",
        f"11-{MAC}",
        f"2gosa7pa2gx-{MAC}",
        f"zzzzzzzzzzzzzzzzzzzzzzzz-{MAC}",
    ],
)
def test_only_the_canonical_form(token: Any) -> None:
    assert check(KEY, f"10-{MAC}") == 36
    assert check(KEY, token) is None
