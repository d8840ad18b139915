"""Webhooks, signed."""

from __future__ import annotations

import base64
import json

import pytest

from distd.domain.conditions import NoticePhase
from distd.domain.errors import BadInput
from distd.domain.notice_texts import NoticeMessage
from distd.wire import webhook

MESSAGE = NoticeMessage(
    "distd-1-began-7", NoticePhase.BEGAN, "MIRROR_LOST", "paris", "paris", "origin", 7.0, 9.0, {"n": 1}, "Title", "Text"
)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of its specification."""
    key = webhook.read_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "x")
    signature = webhook.sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_body_and_the_head() -> None:
    body = webhook.write_body(MESSAGE)
    assert json.loads(body) == {
        "type": "notice.began",
        "timestamp": 9.0,
        "data": {
            "id": "distd-1-began-7",
            "phase": "BEGAN",
            "kind": "MIRROR_LOST",
            "subject": "paris",
            "name": "paris",
            "server": "origin",
            "since_s": 7.0,
            "at_s": 9.0,
            "facts": {"n": 1},
            "title": "Title",
            "text": "Text",
        },
    }
    fields = webhook.head_fields(b"k" * 16, MESSAGE.id, 10, body)
    assert (fields["webhook-id"], fields["webhook-timestamp"]) == ("distd-1-began-7", "10")
    assert fields["webhook-signature"] == webhook.sign(b"k" * 16, MESSAGE.id, 10, body)


@pytest.mark.parametrize("secret", ["", "short", "whsec_!", "whsec_" + base64.b64encode(b"short").decode()])
def test_secrets_that_are_too_weak(secret: str) -> None:
    with pytest.raises(BadInput) as raised:
        webhook.read_key(secret, "notices.webhook_secret_file")
    assert secret == "" or f"got {secret}" not in str(raised.value)


def test_any_text_is_a_secret() -> None:
    assert webhook.read_key("correct horse battery", "x") == b"correct horse battery"
