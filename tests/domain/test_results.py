"""Result codes: every code of the agents, and any other text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distd.domain.records import Dialect
from distd.domain.results import CODES, CodeClass, Outcome, class_of, classify, in_history, is_final, meaning

OUTCOMES = {
    None: Outcome.WAITING,
    "NOTIFIED": Outcome.NOTIFIED,
    "SUCCESS": Outcome.SUCCESS,
    "SUCCESS_": Outcome.SUCCESS,
    "SUCCESS_0": Outcome.SUCCESS,
    "SUCCESS_00": Outcome.SUCCESS,
    "SUCCESS_-0": Outcome.SUCCESS,
    "SUCCESS_1": Outcome.FAILED,  # LAUNCH on Unix says SUCCESS whatever the exit code is
    "SUCCESS_256": Outcome.FAILED,
    "SUCCESS_-1": Outcome.FAILED,
    "SUCCESS_ALREADY_SETUP": Outcome.SUCCESS,
    "SUCCESS_ALREADY_IN_HISTORY": Outcome.SUCCESS,
    "SUCCESS_REBOOT_INITIATED": Outcome.SUCCESS,
    "SUCCESS_REBOOT_REQUIRED": Outcome.SUCCESS,
    "SUCCESS_RESTART_REQUIRED": Outcome.SUCCESS,
    "SUCCESS_OF_TOMORROW_7": Outcome.SUCCESS,
    "EXIT_CODE_0": Outcome.SUCCESS,
    "EXIT_CODE_1603": Outcome.FAILED,
    "EXIT_CODE_-1073741819": Outcome.FAILED,
    "EXIT_CODE_": Outcome.FAILED,
    "ERR_EXIT_CODE_1": Outcome.FAILED,
    "ERR_BAD_DIGEST": Outcome.FAILED,
    "ERR_TIMEOUT": Outcome.FAILED,
    "ERR_OF_TOMORROW": Outcome.FAILED,
    "UNKNOWN_CODE": Outcome.FAILED,
    "": Outcome.FAILED,
    "SUCCES": Outcome.FAILED,
    "success": Outcome.FAILED,
    "NOTIFIED ": Outcome.FAILED,
}
FINAL = {outcome: outcome in (Outcome.SUCCESS, Outcome.FAILED) for outcome in Outcome}

# All that the stock agents send or their documentation names.
KNOWN = [
    "NOTIFIED",
    "SUCCESS_ALREADY_IN_HISTORY",
    "UNKNOWN_CODE",
    "SUCCESS",
    "SUCCESS_ALREADY_SETUP",
    "ERR_BAD_ID",
    "ERR_DOWNLOAD_INFO",
    "ERR_BAD_DIGEST",
    "ERR_BUILD",
    "ERR_EXECUTE",
    "ERR_TIMEOUT",
    "ERR_CLEAN",
    "ERR_DOWNLOAD_PACK",
    "SUCCESS_REBOOT_INITIATED",
    "SUCCESS_REBOOT_REQUIRED",
    "SUCCESS_RESTART_REQUIRED",
    "ERR_OUT_OF_SPACE",
    "ERR_UNZIP",
    "ERR_EXECUTE_NO_EXIT_CODE",
    "ERR_EXECUTE_TIMEOUT",
    "ERR_EXECUTE_TOO_MANY_TRY",
    "ERR_ABORTED",
    "ERR_BAD_PARAM",
    "ERR_DONE_FAILED",
    "ERR_NO_PARAM",
    "ERR_NO_LAUNCHER",
    "ERR_ALREADY_SETUP",
    "ERR_EXECUTE_PACK",
]


@pytest.mark.parametrize(("code", "outcome"), OUTCOMES.items())
def test_outcomes(code: Any, outcome: Any) -> None:
    assert classify(code) is outcome
    assert is_final(code) is FINAL[outcome]


@pytest.mark.parametrize("code", KNOWN)
def test_known_codes_have_a_sentence_of_their_own(code: Any) -> None:
    assert meaning(code) == CODES[code][1]
    assert "no more than its code" not in meaning(code)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "not been notified yet"),
        ("EXIT_CODE_1603", "exit code 1603"),
        ("ERR_EXIT_CODE_5", "exit code 5"),
        ("SUCCESS_3", "exit code 3"),
        ("ERR_OF_TOMORROW", "failure"),
        ("SUCCESS_OF_TOMORROW", "success"),
    ],
)
def test_meanings_of_the_others(code: Any, words: Any) -> None:
    assert words in meaning(code)


@given(st.none() | st.text() | st.from_regex(r"(SUCCESS|ERR|EXIT_CODE|NOTIFIED)_?-?\d*", fullmatch=True))
@example("SUCCESS_" + "9" * 5000)  # more digits than int() takes
@example("EXIT_CODE_" + "0" * 5000)
@example("SUCCESS_٠")
def test_any_code_is_taken_and_explained(code: Any) -> None:
    assert classify(code) in Outcome
    assert meaning(code).endswith(".")
    assert "\n" not in meaning(code)


def test_sentences_are_sentences() -> None:
    sentences = [sentence for _, sentence in CODES.values()]
    for sentence in sentences:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert len(set(sentences)) == len(CODES)


CLASSES = {
    None: CodeClass.PROGRESS,
    "NOTIFIED": CodeClass.PROGRESS,
    "SUCCESS_REBOOT_REQUIRED": CodeClass.SUCCESS,
    "EXIT_CODE_0": CodeClass.SUCCESS,
    "SUCCESS_OF_TOMORROW": CodeClass.SUCCESS,
    "SUCCESS_3": CodeClass.ERROR,
    "ERR_BUILD": CodeClass.ERROR,
    "ERR_OF_TOMORROW": CodeClass.ERROR,
    "ERR_ABORTED": CodeClass.USER_CHOICE,
    "SUCCESS_ALREADY_SETUP": CodeClass.ALREADY_THERE,
    "SUCCESS_ALREADY_IN_HISTORY": CodeClass.ALREADY_THERE,
    "ERR_ALREADY_SETUP": CodeClass.ALREADY_THERE,
    "ERR_TIMEOUT": CodeClass.TOO_LATE,
    "ERR_EXPIRED": CodeClass.TOO_LATE,
}


@pytest.mark.parametrize(("code", "expected"), CLASSES.items())
def test_classes(code: str | None, expected: CodeClass) -> None:
    assert class_of(code) is expected


def test_an_error_after_a_cancellation_is_none() -> None:
    assert class_of("ERR_BAD_DIGEST", cancelled=True) is CodeClass.CANCELLED
    assert class_of("SUCCESS", cancelled=True) is CodeClass.SUCCESS


def test_codes_of_one_class_have_one_state() -> None:
    """But for what is there already, which two kinds of agents tell in two ways."""
    states: dict[CodeClass, set[Outcome]] = {}
    for code, (code_class, _) in CODES.items():
        states.setdefault(code_class, set()).add(classify(code))
    assert {code_class for code_class, found in states.items() if len(found) > 1} == {CodeClass.ALREADY_THERE}


# code: whether a Unix, a Windows and a native agent have the package in their history then.
IN_HISTORY = {
    "SUCCESS": (True, True, True),
    "SUCCESS_0": (True, False, True),
    "SUCCESS_5": (True, False, False),  # the exit code of a LAUNCH does not matter to a Unix agent's history
    "SUCCESS_-1": (True, False, False),
    "SUCCESS_": (True, False, True),
    "SUCCESS_ALREADY_SETUP": (True, False, True),
    "SUCCESS_REBOOT_REQUIRED": (True, False, True),  # only Windows agents send it
    "EXIT_CODE_0": (False, False, False),  # the same
    "NOTIFIED": (False, False, False),
    "ERR_BUILD": (False, False, False),
    "ERR_CLEAN": (False, False, False),
    "ERR_EXECUTE": (False, False, False),
}


@pytest.mark.parametrize(("code", "expected"), IN_HISTORY.items())
def test_which_results_an_agent_has_in_its_history(code: str, expected: tuple[bool, bool, bool]) -> None:
    assert tuple(in_history(dialect, code) for dialect in (Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE)) == expected


def test_who_has_fetched_a_fragment_is_downloading() -> None:
    assert classify("NOTIFIED", 1) is Outcome.DOWNLOADING
    assert classify("SUCCESS", 3) is Outcome.SUCCESS
    assert classify(None, 1) is Outcome.WAITING
