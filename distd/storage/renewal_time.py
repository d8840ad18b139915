"""From when on certificates of mirrors must be: what was made before is to be renewed (`distd keys rotate mirrors`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.storage import atomic

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "mirrors-from"  # in the folder of keys: Unix time


def write(keys: Path, now_s: float) -> None:
    """All mirrors are to renew their certificates now."""
    atomic.write_file(keys / FILE, f"{int(now_s) + 1}\n".encode())


def read(keys: Path) -> int:
    """Unix time; 0: no certificate is too old. Raises `BadInput`."""
    try:
        return int((keys / FILE).read_text("ascii"))
    except FileNotFoundError:
        return 0
    except ValueError:
        raise BadInput("data", "a Unix time", str(keys / FILE)) from None
