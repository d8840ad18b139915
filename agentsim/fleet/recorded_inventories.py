"""Inventories that were recorded from real computers, to be sent again by emulated agents."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.wire import xml

if TYPE_CHECKING:
    from pathlib import Path

MAX_INVENTORIES: Final = 100_000
_DEVICE_ID: Final = re.compile(r"<DEVICEID>([^<]*)</DEVICEID>")


def read_inventories(folder: Path) -> tuple[str, ...]:
    """The XML of each file, sorted by name; deflated files are inflated. Raises `BadInput`."""
    if not folder.is_dir():
        raise BadInput("--inventories", "a folder", str(folder))
    files = sorted(file for file in folder.iterdir() if file.is_file())
    if not 1 <= len(files) <= MAX_INVENTORIES:
        raise BadInput("--inventories", f"1 to {MAX_INVENTORIES} files", f"{len(files)} in {folder}")
    return tuple(_read(file) for file in files)


def _read(file: Path) -> str:
    data = file.read_bytes()
    try:
        text = (data if data.lstrip()[:1] == b"<" else zlib.decompress(data)).decode("utf-8", "replace")
    except zlib.error:
        text = ""
    if "<REQUEST" not in text or "<CONTENT" not in text:
        raise BadInput("--inventories", "inventories: REQUEST/CONTENT in XML, or deflated as agents send it", str(file))
    return text


def request_body(text: str, device_id: str) -> bytes:
    """The body of an INVENTORY with that content, from `device_id`."""
    return zlib.compress(_DEVICE_ID.sub(lambda _: xml.leaf("DEVICEID", device_id), text, count=1).encode())


def device_id_of(text: str) -> str:
    """The DEVICEID in an inventory; empty when it has none."""
    match = _DEVICE_ID.search(text)
    return match[1].strip() if match else ""
