"""The server's log of events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind, Note
from distd.domain.actor import SYSTEM
from distd.domain.errors import Unavailable
from distd.origin.deployments import acts, assignments
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.deployments.progress import Fetched, record
from distd.origin.operators.events import LoggedEvent
from distd.server import event_lines
from distd.server.event_lines import logged_events

if TYPE_CHECKING:
    import pytest

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")
WAIT_S = 1.0
# One act makes one of them, or few.
SINGLE = """
    PACKAGE_PUBLISHED PACKAGE_ACTIVATED PACKAGE_DEACTIVATED PACKAGE_EDITED PACKAGE_SIGNED PACKAGE_RENAMED
    PACKAGE_DESCRIBED PACKAGE_SUPERSEDED PACKAGE_WITHDRAWN PACKAGE_DELETED MIRROR_ADDED MIRROR_JOINED MIRROR_REVOKED
    MIRROR_RULES MIRROR_CONNECTED MIRROR_LOST MIRROR_READY MIRROR_GONE MIRROR_HEALED MIRROR_BAD ACTIVATION_PLANNED
    ACTIVATION_CANCELLED OPERATOR_ADDED OPERATOR_CHANGED OPERATOR_DELETED PASSWORD_CHANGED API_TOKEN_ADDED
    API_TOKEN_REVOKED LOGGED_IN LOG_IN_FAILED KEYS_ROTATED CERTIFICATES_REVOKED AGENT_LOGIN_SET AGENT_LOGIN_DELETED
    COMPUTER_ENROLLED COMPUTER_SEEN CONTACT_REFUSED COMPUTER_CHANGED FILTER_SAVED FILTER_DELETED GROUP_CREATED
    GROUP_CHANGED GROUP_DELETED GROUP_MEMBERS_SET GROUP_GIVES GROUP_GIVES_NO_MORE GROUP_CANNOT_GIVE DEPLOYMENT_ACT
    ROLLOUT_CREATED ROLLOUT_CHANGED ROLLOUT_DELETED ROLLOUT_APPROVED ROLLOUT_STARTED ROLLOUT_JOINED
    ROLLOUT_WAVE_OPENED ROLLOUT_ASSIGNED ROLLOUT_RETRIED ROLLOUT_RECALLED ROLLOUT_PAUSED ROLLOUT_RESUMED
    ROLLOUT_HALTED ROLLOUT_STOPPED ROLLOUT_FINISHED ROLLOUT_ROLLED_BACK ROLLOUT_RESTARTED SET_CREATED SET_CHANGED
    SET_DELETED RECURRENCE_CREATED RECURRENCE_CHANGED RECURRENCE_DELETED RECURRENCE_RUN RECURRENCE_FAILED
    SOURCE_WATCHED SOURCE_EDITED SOURCE_CHANGED
    SOURCE_FAILED SOURCE_RECOVERED SOURCE_DELETED NOTICE_BEGAN NOTICE_ENDED NOTICE_NOT_SENT
"""


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    found = [(row.levelname, row.getMessage(), dict(getattr(row, "fields", {}))) for row in caplog.records]
    caplog.clear()
    for _, _, fields in found:
        fields.pop("seq", None)
    return found


def deploy(origin: TestOrigin) -> None:
    """A package, three computers that get it, and a result."""
    origin.package("17")
    for device_id in ("a", "b", "c"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    origin.act(assignments.assign, AssignmentRequest("17", ["a", "b", "c"]), origin.now_s)
    origin.listed("a")
    origin.write(record, [Fetched(1, "17", [1], 10)], origin.now_s)
    origin.report("17", "ERR_TIMEOUT", "a")


async def test_acts_and_results_at_info(
    autojump_clock: Any, event_watch: EventWatch, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "distd")
    origin.package("16")  # before: not logged
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        deploy(origin)
        await trio.sleep(2 * WAIT_S)
    of_17 = {"package": "17", "package_name": "package 17"}
    seen = [("INFO", "COMPUTER_SEEN", {"actor": "agent", "computer": name, "device_id": name}) for name in "abc"]
    assert lines(caplog) == [
        ("INFO", "PACKAGE_ACTIVATED", {"actor": "operator:admin", **of_17}),
        *seen,
        ("INFO", "ASSIGNED", {"actor": "operator:admin", **of_17, "computers": 3}),
        ("INFO", "RESULT", {"actor": "agent", **of_17, "computer": "a", "code": "ERR_TIMEOUT"}),
    ]


async def test_at_debug_all_events(
    autojump_clock: Any, event_watch: EventWatch, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "distd")
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        deploy(origin)
        await trio.sleep(2 * WAIT_S)
    quiet = [message for level, message, _ in lines(caplog) if level == "DEBUG"]
    assert quiet == ["INVENTORY"] * 3 + ["NOTIFIED", "FRAGMENTS_FETCHED"]


async def test_more_than_a_batch_and_none_twice(
    autojump_clock: Any,
    event_watch: EventWatch,
    origin: TestOrigin,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "distd")
    monkeypatch.setattr(event_lines, "BATCH", 2)
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        for number in range(7):
            origin.package(str(number))
        await trio.sleep(5 * WAIT_S)
        origin.package("7")
        await trio.sleep(5 * WAIT_S)
    assert [fields["package"] for _, _, fields in lines(caplog)] == [str(number) for number in range(8)]


async def test_while_the_catalogue_is_away_nothing_is_lost(
    autojump_clock: Any, reader: Any, event_watch: EventWatch, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "distd")
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        reader.error = Unavailable("catalogue", "database is locked")
        origin.package("17")
        await trio.sleep(1.5 * WAIT_S)
        reader.error = None
        await trio.sleep(1.5 * WAIT_S)
    found = lines(caplog)
    assert found[0] == ("WARNING", "events are not followed: catalogue: database is locked", {})
    assert found[-1][1] == "PACKAGE_ACTIVATED"


async def test_a_fault_costs_lines_and_not_the_server(
    autojump_clock: Any,
    event_watch: EventWatch,
    origin: TestOrigin,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "distd")
    whole = event_lines.write_lines

    def write_lines(log: logging.Logger, found: Any) -> None:
        if found[0].package_id == "16":
            raise ValueError("an odd event")
        whole(log, found)

    monkeypatch.setattr(event_lines, "write_lines", write_lines)
    async with logged_events(event_watch, LOG):
        for package_id in ("16", "17"):
            origin.package(package_id)
            await trio.sleep(3 * WAIT_S)
    told = [(level, message) for level, message, _ in lines(caplog)]
    assert ("ERROR", "events are not logged: a fault of the program: ValueError: an odd event") in told
    assert ("INFO", "PACKAGE_ACTIVATED") in told


def test_every_kind_is_of_one_of_many_or_quiet() -> None:
    of_many, quiet = set(event_lines.OF_MANY), set(event_lines.QUIET)
    single = set(SINGLE.split())
    assert set(Kind) == single | of_many | quiet
    assert len(Kind) == len(single) + len(of_many) + len(quiet)


async def test_an_act_on_many_computers_is_a_line(
    autojump_clock: Any, event_watch: EventWatch, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "distd")
    deploy(origin)
    for name in ("b", "c"):
        origin.listed(name)
        origin.report("17", "ERR_TIMEOUT", name)
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        chosen = ChosenAssignments(device_ids=["a", "b", "c"])
        origin.act(acts.renotify, "17", chosen, origin.now_s, force=True)
        notes = [
            Note(Kind.GROUP_JOINED, SYSTEM, origin.now_s, None, key, {"group": name}) for name in "xy" for key in (1, 2)
        ]
        origin.write(event_log.append_many, notes)
        await trio.sleep(2 * WAIT_S)
    found = lines(caplog)
    assert [(message, fields.get("computers")) for _, message, fields in found] == [
        ("DEPLOYMENT_ACT", 3),
        ("RENOTIFIED", 3),
        ("GROUP_JOINED", 2),
        ("GROUP_JOINED", 2),
    ]
    assert [fields["group"] for _, message, fields in found if message == "GROUP_JOINED"] == ["x", "y"]


def test_what_one_act_does_in_two_ways_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "distd")
    kinds = (Kind.CANCELLED, Kind.UNASSIGNED)
    found = [
        LoggedEvent(seq, 1.0, kinds[seq % 2], "operator:ada", "", "17", "x", f"pc{seq}", "", {"listed": True})
        for seq in range(6)
    ]
    event_lines.write_lines(LOG, found)
    assert [(message, fields["computers"], fields["listed"]) for _, message, fields in lines(caplog)] == [
        ("CANCELLED", 3, True),
        ("UNASSIGNED", 3, True),
    ]
