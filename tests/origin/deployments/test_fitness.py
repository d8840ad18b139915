"""What-if: who would be assigned a package, who has it, who cannot take it and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from distd.catalogue import schema
from distd.domain.assignment_terms import NO_TERMS, AssignmentOrigin, OriginKind, Terms
from distd.domain.errors import BadInput, Conflict
from distd.domain.settings import DownloadConfig
from distd.origin.deployments import assignments, choices, fitness
from distd.origin.deployments.assignments import AssignmentRequest

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

ALL = ["debian", "windows", "has"]


@pytest.fixture
def mixed(origin: TestOrigin) -> TestOrigin:
    """17 is for Windows; "has" has it assigned."""
    origin.package("17")
    for device_id, name in zip(
        ALL, ("Debian GNU/Linux 12", "Microsoft Windows 11", "Microsoft Windows 10"), strict=True
    ):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id, hardware={"NAME": device_id, "OSNAME": name}, account={"TAG": name[:6]})
    origin.assign("17", "has")
    origin.write(lambda conn: conn.execute(update(schema.packages).values(os="WINDOWS")))
    return origin


def request(terms: Terms = NO_TERMS, **values: Any) -> AssignmentRequest:
    return AssignmentRequest("17", ALL, terms, skip_had=True, **values)


def test_a_preview_changes_nothing_and_tells_what_would_be(mixed: TestOrigin) -> None:
    before = mixed.rows(schema.assignments), mixed.events()
    seen = mixed.read(assignments.preview, request(), mixed.now_s)
    assert (seen.assigned, seen.already) == (["windows"], ["has"])
    assert [(unfit.device_id, unfit.reason, unfit.detail) for unfit in seen.skipped] == [
        ("debian", "OTHER_SYSTEM", "has Debian GNU/Linux 12")
    ]
    assert seen.reasons == {"OTHER_SYSTEM": 1}
    assert seen.refusal.startswith("any_os: 17 is for WINDOWS, and debian has Debian GNU/Linux 12")
    assert (mixed.rows(schema.assignments), mixed.events()) == before


@pytest.mark.parametrize(
    "values",
    [
        {"skip_unfit": True},
        {"terms": Terms(any_os=True)},
        {"skip_unfit": True, "config_of": lambda _: DownloadConfig()},
    ],
)
def test_what_is_done_is_what_was_previewed(mixed: TestOrigin, values: dict[str, Any]) -> None:
    seen = mixed.read(assignments.preview, request(**values), mixed.now_s)
    assert mixed.act(assignments.assign, request(**values), mixed.now_s) == seen
    assert len(mixed.rows(schema.assignments)) == 1 + len(seen.assigned)


def test_the_unfit_are_passed_over(mixed: TestOrigin) -> None:
    done = mixed.act(assignments.assign, request(skip_unfit=True), mixed.now_s)
    assert (done.assigned, [unfit.device_id for unfit in done.skipped]) == (["windows"], ["debian"])


def test_a_priority_that_never_has_a_turn(mixed: TestOrigin) -> None:
    def config_of(computer_id: int) -> DownloadConfig:
        return DownloadConfig(period_length=4 if computer_id == 2 else 10)

    seen = mixed.read(assignments.preview, request(Terms(any_os=True), config_of=config_of), mixed.now_s)
    assert [(unfit.device_id, unfit.reason) for unfit in seen.doubtful] == [("windows", "NO_TURN")]
    assert seen.doubtful[0].detail == "has periods of 4 cycles, too few for priority 5"
    assert seen.assigned == ["debian", "windows"]
    done = mixed.act(assignments.assign, request(Terms(any_os=True), config_of=config_of, skip_unfit=True), mixed.now_s)
    assert done.assigned == ["debian"]


def test_who_would_wait_forever(mixed: TestOrigin) -> None:
    mixed.package("18")
    mixed.assign("18", "windows")
    seen = mixed.read(assignments.preview, request(Terms(any_os=True, after="18")), mixed.now_s)
    assert [(unfit.device_id, unfit.reason) for unfit in seen.doubtful] == [("debian", "WAITS_FOREVER")]


def test_too_little_disk(mixed: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package has 10 bytes."""
    monkeypatch.setattr(fitness, "_free_bytes", lambda _conn, _ids: {1: 29, 2: 30})
    seen = mixed.read(assignments.preview, request(Terms(any_os=True)), mixed.now_s)
    assert [(unfit.device_id, unfit.reason) for unfit in seen.doubtful] == [("debian", "LITTLE_DISK")]
    assert seen.doubtful[0].detail == "has 29 B free of 30 B"


def test_by_tag_with_its_origin(mixed: TestOrigin) -> None:
    origin = AssignmentOrigin(OriginKind.TAG, "Micro*")
    device_ids = mixed.read(choices.choose, origin, mixed.now_s)
    assert device_ids == ["has", "windows"]
    mixed.act(assignments.assign, AssignmentRequest("17", device_ids, origin=origin, skip_had=True), mixed.now_s)
    by_hand, by_tag = mixed.results("17")
    assert (by_hand.origin_kind, by_hand.origin_name, by_hand.assigned_by) == ("hand", "", "operator:admin")
    assert (by_tag.origin_kind, by_tag.origin_name, by_tag.assigned_by) == ("tag", "Micro*", "operator:admin")
    with pytest.raises(BadInput, match="tag: expected a tag of computers that are there, got paris"):
        mixed.read(choices.choose, AssignmentOrigin(OriginKind.TAG, "paris"), mixed.now_s)


def test_what_no_choice_of_computers_changes_is_refused(mixed: TestOrigin) -> None:
    mixed.package("18", active=False)
    with pytest.raises(Conflict, match="not active"):
        mixed.read(assignments.preview, AssignmentRequest("18", ALL), mixed.now_s)
    with pytest.raises(BadInput, match="not_after"):
        mixed.read(assignments.preview, request(Terms(not_after_s=1.0)), mixed.now_s)
