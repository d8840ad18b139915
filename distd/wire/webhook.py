"""Webhooks as bytes, signed as Standard Webhooks says (https://www.standardwebhooks.com), so that receivers have
libraries that check them: HMAC-SHA256 over id, time and body, and a time stamp against replays."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

import msgspec

from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from distd.domain.notice_texts import NoticeMessage

PREFIX: Final = "whsec_"
MIN_SECRET_BYTES: Final = 16


def read_key(secret: str, field: str) -> bytes:
    """The key of a secret: `whsec_` and Base64, or any text as its bytes. Raises `BadInput`."""
    try:
        is_coded = secret.startswith(PREFIX)
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if is_coded else secret.encode()
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < MIN_SECRET_BYTES:
        raise BadInput(field, f"a secret of at least {MIN_SECRET_BYTES} bytes, or {PREFIX} and Base64", "another one")
    return key


def write_body(message: NoticeMessage) -> bytes:
    """The JSON of a notice: `type` is `notice.began`, `notice.ended` or `notice.test`."""
    data = msgspec.to_builtins(message)
    kind = f"notice.{message.phase.lower()}"
    return msgspec.json.encode({"type": kind, "timestamp": message.at_s, "data": data})


def sign(key: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    digest = hmac.new(key, f"{message_id}.{at_s}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def head_fields(key: bytes, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The header fields of a webhook, sent at `at_s` (Unix time)."""
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": sign(key, message_id, at_s, body),
    }
