"""Secrets of distd's own accounts elsewhere: each in a file of its own, for settings are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from distd.domain.errors import Unavailable

MAX_SECRET_BYTES: Final = 4096


def read_secret(path: str, setting: str) -> str:
    """The one line of a file. Raises `Unavailable` that names the `setting`."""
    try:
        return Path(path).read_bytes()[:MAX_SECRET_BYTES].decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(setting, str(error)) from error
