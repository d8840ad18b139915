"""`distd notice …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.domain.conditions import Condition, ConditionKind
from distd.domain.notice_settings import NoticeSettings
from distd.origin.notices import notices
from distd.origin.notices.senders import SECRET_VARIABLE
from tests.programs.notice_receivers import hook_receiver

if TYPE_CHECKING:
    import pytest


def test_what_somebody_was_told_of(site: Any) -> None:
    assert site("notice", "list").out == "No notices.\n"
    settings = NoticeSettings(webhook_url="https://h/")
    halt = Condition(ConditionKind.ROLLOUT_HALTED, "1", "lab", 50.0, {"package_id": "17", "reason": "9 % failed"})
    lost = Condition(ConditionKind.MIRROR_LOST, "paris", "paris", 60.0, {})
    with site.write() as conn:
        notices.take_note(conn, [halt, lost], settings, "here", 60.0)
    text = site("notice", "list").out
    assert ("told at" in text, "not told yet" in text, "webhook: waits" in text) == (True, True, True)
    with site.write() as conn:
        notices.take_note(conn, [], settings, "here", 70.0)
    (found,) = site("notice", "list", "--json").json["items"]
    assert (found["kind"], found["ended_at_s"], len(found["deliveries"])) == ("ROLLOUT_HALTED", 70.0, 2)
    assert "over at" in site("notice", "list").out


def test_a_test(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    none = site("notice", "test")
    assert (none.status, "set notices.webhook_url" in none.err) == (1, True)
    with hook_receiver() as receiver:
        monkeypatch.setenv("DISTD_NOTICES_WEBHOOK_URL", f"http://127.0.0.1:{receiver.port}/")
        failed = site("notice", "test")
        assert (failed.status, SECRET_VARIABLE in failed.out) == (1, True)
        monkeypatch.setenv(SECRET_VARIABLE, "s" * 32)
        assert site("notice", "test").out == "webhook: sent.\n"
        assert site("notice", "test", "--json").json == {"channels": [{"channel": "webhook", "why": ""}]}
    assert len(receiver.came) == 2
