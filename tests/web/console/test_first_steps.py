"""What a new site is led through."""

from __future__ import annotations

import pytest

from distd.web.console.first_steps import FirstSteps, agent_setup

SETUP = agent_setup("distd.example.org:8443")


@pytest.mark.parametrize(("package", "computer", "is_new"), [(0, 0, True), (1, 0, True), (0, 1, True), (1, 1, False)])
def test_until_there_is_a_package_and_a_computer(package: int, computer: int, is_new: bool) -> None:
    steps = FirstSteps(bool(package), is_active=False, has_computer=bool(computer), is_assigned=False, setup=SETUP)
    assert steps.is_new == is_new


def test_agents_are_told_the_name_of_this_server() -> None:
    assert SETUP.url == "https://distd.example.org:8443/ocsinventory"
    assert agent_setup("distd.example.org:443").url == "https://distd.example.org/ocsinventory"
    assert all(SETUP.url in text for text in (SETUP.debian, SETUP.windows, SETUP.by_hand))
