"""Software of computers that do not exist is always the same, and as unequal as that of computers that do."""

from __future__ import annotations

from collections import Counter

import pytest

from agentsim.fleet.programs import IMAGES, NAMES, name_of, programs

LINES = 40


@pytest.mark.parametrize("kind", ["windows", "unix"])
def test_a_computer_has_so_many_different_programs_each_time(kind: str) -> None:
    found = programs(1, kind, 7, LINES)
    assert len({program.name for program in found}) == len(found) == LINES
    assert found == programs(1, kind, 7, LINES)
    assert found != programs(2, kind, 7, LINES)
    assert all(program.version for program in found)


def test_few_programs_are_on_most_computers_and_images_have_much_in_common() -> None:
    computers = [programs(1, "windows", number, LINES) for number in range(300)]
    on = Counter(program.name for found in computers for program in found)
    firsts = sum(on[name_of("windows", rank)] for rank in range(10))
    assert firsts > 8 * sum(on[name_of("windows", rank)] for rank in range(1000, 1010))
    assert len({found[:5] for found in computers}) <= IMAGES


def test_names_are_as_the_system_has_them_and_each_rank_has_its_own() -> None:
    assert (name_of("windows", 3), name_of("unix", 3)) == ("VLC media player", "vlc-media-player")
    assert len({name_of("windows", rank) for rank in range(NAMES)}) == NAMES
