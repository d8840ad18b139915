"""What is known of a package, in words."""

from __future__ import annotations

import pytest

from distd.cli.package_text import describe_counters, describe_notify, describe_plan, describe_state
from distd.domain.records import Notify
from distd.origin.packages.overview import ListedPackage

PACKAGE = ("17", "Editor", "WINDOWS", "STORE", 5, "C:\\x", 1, 1, "", 0.0)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ("size:1048576", "fragments of 1.0 MiB"),
        ("count:12", "12 fragments"),
        ("duration:7200", "fragments for 2 h 0 min"),
        ("content:65536", "fragments by content, of 64.0 KiB on average"),
        ("", ""),
    ],
)
def test_plans(plan: str, text: str) -> None:
    assert describe_plan(plan) == text


def test_notifications() -> None:
    assert describe_notify(Notify()) == ""
    told = Notify(text="Save your work", countdown_s=30, can_abort=True, can_delay=True, done_action_text="Done")
    assert describe_notify(told) == "'Save your work', for 30 s; the user may abort or delay it; afterwards 'Done'"
    assert describe_notify(Notify(text="Hello")) == "'Hello'"


def test_states_and_counters() -> None:
    package = ListedPackage(*PACKAGE, active=True, state="ACTIVE", waiting=1200, success=1)
    assert describe_counters(package) == "1,200 waiting, 1 success"
    assert describe_state(package, None, 0.0) == "active, from this server"
    other = ListedPackage(*PACKAGE, active=True, state="ACTIVE", info_server="a/i", fragment_server="b/f")
    assert describe_state(other, None, 0.0) == "active, info a/i, fragments b/f"
    assert describe_state(ListedPackage(*PACKAGE, state="INACTIVE"), None, 0.0) == "inactive"
