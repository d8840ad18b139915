"""The order of causes, and the limit beyond which a download is stalled."""

from __future__ import annotations

import dataclasses
import math

import pytest

from distd.domain.diagnosis.facts import (
    DiagnosedAssignment,
    DiagnosedComputer,
    DiagnosedFetches,
    DiagnosedPackage,
    DiagnosisFacts,
)
from distd.domain.diagnosis.judging import diagnose, kind_of_code
from distd.domain.diagnosis.situation import stall_limit_s
from distd.domain.results import CODES, Outcome, classify

NOW_S = 1_700_000_000.0
FACTS = DiagnosisFacts(
    now_s=NOW_S,
    device_id="pc",
    asked_id="17",
    computer=DiagnosedComputer(device_id="pc", user_agent="OCS-NG_unified_unix_agent_v2.10.0", last_contact_at_s=NOW_S),
    package=DiagnosedPackage(id="17", fragments=9, size_bytes=900),
    assignment=DiagnosedAssignment(state="DOWNLOADING", assigned_at_s=NOW_S, notified_at_s=NOW_S),
    fetches=DiagnosedFetches(count=4, missing=5, last_at_s=NOW_S),
)


def kinds(facts: DiagnosisFacts) -> list[str]:
    return [str(cause.kind) for cause in diagnose(facts)]


def test_two_due_turns_without_a_fragment_are_a_stall() -> None:
    limit_s = stall_limit_s(FACTS)
    assert 2 * 105 <= limit_s < math.inf
    assert kinds(dataclasses.replace(FACTS, now_s=NOW_S + limit_s)) == ["ON_SCHEDULE"]
    assert kinds(dataclasses.replace(FACTS, now_s=NOW_S + limit_s + 1)) == ["STALLED"]


def test_a_computer_that_is_silent_comes_before_its_stall() -> None:
    assert kinds(dataclasses.replace(FACTS, now_s=NOW_S + 26 * 3600)) == ["CONTACT_OVERDUE", "STALLED"]


@pytest.mark.parametrize("code", [code for code in CODES if code != "NOTIFIED"])
def test_each_known_result_is_a_success_or_not(code: str) -> None:
    assert (kind_of_code(code) == "SUCCEEDED") == (classify(code) is Outcome.SUCCESS)


def test_what_a_result_was_of_a_cancelled_package() -> None:
    assert kind_of_code("ERR_BAD_DIGEST", cancelled=True) == "CANCELLED"
    assert kind_of_code("EXIT_CODE_-5") == kind_of_code("SUCCESS_3") == "EXIT_CODE"
