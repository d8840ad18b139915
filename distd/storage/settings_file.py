"""Settings that are changed in `distd.toml` by a command: what people wrote around them stays."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from distd.domain.errors import BadInput
from distd.storage import atomic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def change_texts(path: Path, values: Mapping[str, str]) -> None:
    """Give settings other values, by "section.key": all at once, and the file is as it was before or as it shall be.

    Raises `BadInput` where the file is written in a way in which they cannot be changed line by line.
    """
    before = path.read_text("utf-8")
    lines = before.splitlines()
    expected: dict[str, Any] = tomllib.loads(before)
    for name, value in values.items():
        section, _, key = name.partition(".")
        _put(lines, section, key, f"{key} = {json.dumps(value, ensure_ascii=False)}")
        expected.setdefault(section, {})[key] = value
    after = "\n".join(lines) + "\n"
    if not _means(after, expected):
        raise BadInput("distd.toml", "settings of which each has a line", str(path), f"set {', '.join(values)} by hand")
    status = path.stat()
    atomic.write_file(path, after.encode(), status.st_mode & 0o777, (status.st_uid, status.st_gid))


def _put(lines: list[str], section: str, key: str, line: str) -> None:
    """In place of the setting's line; else of the one that is commented out; else as the first of its section."""
    heads = [number for number, text in enumerate(lines) if re.match(r"\s*\[", text)]
    head = next((number for number in heads if re.match(rf"\s*\[\s*{section}\s*\]", lines[number])), None)
    if head is None:
        lines += ["", f"[{section}]", line]
        return
    end = next((number for number in heads if number > head), len(lines))
    for pattern in (rf"\s*{key}\s*=", rf"\s*#\s*{key}\s*="):
        for number in range(head + 1, end):
            if re.match(pattern, lines[number]):
                lines[number] = line
                return
    lines.insert(head + 1, line)


def _means(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        return False
