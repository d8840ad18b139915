from __future__ import annotations

import pytest

from agentsim.error_groups import unwrapped
from distd.domain.errors import Unavailable

DOWN = Unavailable("server", "down")
STOP = KeyboardInterrupt()


@pytest.mark.parametrize(
    ("errors", "found"),
    [
        ([DOWN], DOWN),
        ([ValueError(), BaseExceptionGroup("", [ValueError(), STOP]), DOWN], STOP),
    ],
)
def test_the_error_that_callers_know_is_found(errors: list[BaseException], found: BaseException) -> None:
    assert unwrapped(BaseExceptionGroup("", errors)) is found


def test_a_group_without_one_stays() -> None:
    group = BaseExceptionGroup("", [ValueError()])
    assert unwrapped(group) is group
