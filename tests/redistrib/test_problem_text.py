"""What an origin says when it refuses."""

from __future__ import annotations

import pytest

from redistrib.problem_text import MAX_REASON_CHARACTERS, reason_of


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"title": "Bad Request", "detail": "status.agents: expected a number"}', "status.agents: expected a number"),
        (b'{"error": "it was used"}', "it was used"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"two\n  lines", "two lines"),
        (b"[1]", "[1]"),
        (b"", ""),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"x" * 301, "x" * (MAX_REASON_CHARACTERS - 1) + "…"),
    ],
)
def test_the_reason(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason
