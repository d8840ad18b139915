from __future__ import annotations

import json

import pytest

from tests.programs.wrk import Load, LoadFailed, parse

FOUND = {
    "requests": 1000,
    "received_bytes": 4_300_000,
    "duration_us": 2_000_000,
    "p50_us": 210,
    "p99_us": 990,
    "p999_us": 4100,
    "status": 0,
    "connect": 0,
    "read": 0,
    "write": 0,
    "timeout": 0,
}


def printed(**changes: int) -> str:
    return f"Running 2s test @ http://h/\n  1 threads\n\n{json.dumps({**FOUND, **changes})}\n"


def test_what_wrk_prints_is_parsed() -> None:
    assert parse(printed(), 1.5) == Load(1000, 4_300_000, 2.0, 210, 990, 4100, {}, 1.5)


@pytest.mark.parametrize("text", ["", "unable to connect", "\n{", '\n{"requests": 1}'])
def test_incomplete_output_is_an_error(text: str) -> None:
    with pytest.raises(LoadFailed):
        parse(text)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        pytest.param({}, "", id="well"),
        pytest.param({"status": 1000}, "1000 answers with an error status", id="error status"),
        pytest.param({"read": 3, "connect": 2}, "2 connections refused, 3 reads failed", id="sockets"),
        pytest.param({"requests": 0, "received_bytes": 0}, "no answer", id="silence"),
        pytest.param({"received_bytes": 300_000}, "answers shorter than the fragment", id="another answer"),
        pytest.param({"received_bytes": 8_000_000}, "answers that broke off", id="broken off and begun again"),
        pytest.param({"requests": 0, "received_bytes": 90_000}, "", id="none finished, all under way"),
    ],
)
def test_only_whole_fragments_without_errors_are_speed(changes: dict[str, int], failure: str) -> None:
    assert parse(printed(**changes)).failure(4096, 32) == failure
