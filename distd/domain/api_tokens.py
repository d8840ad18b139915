"""Tokens of the API: what one looks like, and what is kept of it. Pure."""

from __future__ import annotations

import base64
import re
from typing import Final

from blake3 import blake3

PREFIX: Final = "distd_"  # by which scanners find tokens that were committed by accident
SECRET_BYTES: Final = 32
DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 3650

_TOKEN: Final = re.compile(f"{PREFIX}[A-Za-z0-9_-]{{43}}")


def make(secret: bytes) -> str:
    """The token of `SECRET_BYTES` random bytes."""
    return PREFIX + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def is_token(text: str) -> bool:
    """Whether it looks like one."""
    return _TOKEN.fullmatch(text) is not None


def digest_of(token: str) -> str:
    """What is kept of a token: its BLAKE3 in hexadecimal. Its secret is random, so it needs no salt."""
    return blake3(token.encode()).hexdigest()
