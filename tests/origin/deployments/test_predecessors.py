"""A package after another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.errors import Conflict, NotFound

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def three(pc: TestOrigin) -> TestOrigin:
    """Packages 1, 2 and 3, for an agent that takes any number at once."""
    pc.user_agent = "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
    for package_id in "123":
        pc.package(package_id)
    return pc


def test_it_is_listed_after_the_others_success(three: TestOrigin) -> None:
    three.assign("1")
    three.assign("2", after="1")
    assert three.listed() == ["1"]
    three.report("1", "ERR_EXECUTE")
    assert three.listed() == []
    three.assign("1")
    assert three.listed() == ["1"]
    three.report("1", "SUCCESS")
    assert three.listed() == ["2"]
    assert [result.after for result in three.results("2")] == ["1"]


def test_a_success_of_before_counts(three: TestOrigin) -> None:
    three.assign("1")
    three.listed()
    three.report("1", "SUCCESS_REBOOT_REQUIRED")
    three.assign("2", after="1")
    assert three.listed() == ["2"]


def test_a_success_in_the_same_batch_counts(three: TestOrigin) -> None:
    from distd.domain.records import DownloadRequest, PrologRequest
    from distd.wire import ocs

    three.assign("1")
    three.listed()
    three.assign("2", after="1")
    replies = three.post_all(DownloadRequest("pc", "1", "SUCCESS"), PrologRequest("pc"))
    assert [pack.id for pack in ocs.read_prolog_reply(replies[1].body).packs] == ["2"]


def test_cycles_are_refused(three: TestOrigin) -> None:
    three.prolog("other")
    three.assign("2", after="1")
    three.assign("3", after="2")
    three.assign("1", "other", after="3")  # there nothing waits for 1
    with pytest.raises(Conflict, match="after: on pc it would wait for itself: 1 after 3 after 2 after 1"):
        three.assign("1", after="3")
    with pytest.raises(Conflict, match="after: 1 cannot wait for itself"):
        three.assign("1", after="1")
    with pytest.raises(NotFound, match="after: expected the id of a package, got 9"):
        three.assign("1", after="9")


def test_too_late_ends_with_a_code_of_this_server(three: TestOrigin) -> None:
    three.assign("1", not_after_s=three.now_s + 10)
    three.assign("2", not_after_s=three.now_s + 10, not_before_s=three.now_s + 5)
    assert three.listed() == ["1"]
    three.now_s += 11
    assert three.listed() == ["1"]
    (result,) = three.results("2")
    assert (result.state, result.code, result.code_class) == ("FAILED", "ERR_EXPIRED", "TOO_LATE")
    (event,) = three.events(Kind.RESULT)
    assert event.detail == {"code": "ERR_EXPIRED"}
