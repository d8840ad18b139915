"""Answers that are shared for a while."""

from __future__ import annotations

from distd.web.console.recent import RecentAnswers


async def test_an_answer_is_made_again_when_it_is_too_old() -> None:
    made: list[int] = []

    async def make() -> int:
        made.append(len(made))
        return made[-1]

    answers = RecentAnswers(10.0)
    assert [await answers.get("a", now_s, make) for now_s in (0.0, 9.9, 10.0, 5.0)] == [0, 0, 1, 2]
    assert await answers.get("b", 5.0, make) == 3
