"""Sources whose new versions supersede a package: a file or folder of this machine, or an https URL. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from posixpath import basename
from typing import Final
from urllib.parse import unquote, urlsplit

from distd.domain.errors import BadInput

MIN_EVERY_S: Final = 60
MAX_EVERY_S: Final = 30 * 86_400
DEFAULT_EVERY_S: Final = 3600
SETTLED_S: Final = 10.0  # what was written to more recently may be written to now
MAX_PLACE: Final = 4096  # characters
MAX_FILE_NAME: Final = 200  # characters
_EXPECTED: Final = "https://HOST/…/FILE, or the path of a file or folder from / on"
_QUERY: Final = re.compile(r"(https?://[^\s?#]*)[?#]\S*?(?=[:,;.]?(?:\s|$))")


class PlaceKind(StrEnum):
    """Where a source is."""

    PATH = "PATH"
    URL = "URL"


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """A version of a source: its BLAKE3 (hexadecimal), its size, and what tells cheaply that it is still the same."""

    digest: str
    size_bytes: int
    hint: str


@dataclass(frozen=True, slots=True)
class Settling:
    """A source that may be written to just now. `hint`: what tells at the next look that it no longer is."""

    hint: str


def read_place(text: str, field: str = "place") -> PlaceKind:
    """What kind of place it is. Raises `BadInput`."""
    if len(text) > MAX_PLACE or not text.isprintable():
        raise BadInput(field, f"at most {MAX_PLACE} printable characters", text)
    if text.startswith("/"):
        if ".." in text.split("/"):
            raise BadInput(field, "a path without ..", text)
        return PlaceKind.PATH
    try:
        url = urlsplit(text)
        is_good = url.scheme == "https" and bool(url.hostname) and url.username is None and url.port != 0
    except ValueError:
        is_good = False
    if not is_good or not text.isascii() or " " in text:
        raise BadInput(field, _EXPECTED, text)
    file_name(text, field)
    return PlaceKind.URL


def file_name(url: str, field: str = "place") -> str:
    """The name that a package has the file at a URL under: its last part. Raises `BadInput`."""
    name = unquote(basename(urlsplit(url).path), errors="replace")
    if not name or name.startswith(".") or set(name) & set("/\\\ufffd") or not name.isprintable():
        raise BadInput(field, "a URL whose last part is the name of a file", url)
    if len(name) > MAX_FILE_NAME or len(name.encode()) > 255:
        raise BadInput(field, f"a file name of at most {MAX_FILE_NAME} characters", name)
    return name


def without_queries(text: str) -> str:
    """A text whose URLs end before their queries, which may hold a key: "https://host/file?…"."""
    return _QUERY.sub(r"\1?…", text)


def check_interval(every_s: float, field: str = "every_s") -> int:
    """Seconds between two looks. Raises `BadInput`."""
    if not MIN_EVERY_S <= every_s <= MAX_EVERY_S:
        raise BadInput(field, f"{MIN_EVERY_S} seconds to {MAX_EVERY_S // 86_400} days", every_s)
    return int(every_s)


def read_folders(text: str, where: str) -> tuple[str, ...]:
    """The folders of `sources.folders`. Raises `BadInput`."""
    found = tuple(part.rstrip("/") for part in text.split(":") if part)
    for folder in found:
        if not folder.startswith("/") or ".." in folder.split("/"):
            raise BadInput(where, "paths of folders from / on, with colons between", text)
    return found


def check_path(path: str, folders: tuple[str, ...], data_root: str, field: str = "place") -> None:
    """Whether a path without links may be read: it is in one of the folders, and in no way in the data directory.
    Raises `BadInput`."""
    hint = "an administrator names the folder in the setting sources.folders"
    if not any(_is_in(path, folder) for folder in folders):
        raise BadInput(field, f"a path in {' or '.join(folders)}" if folders else "an https URL", path, hint)
    if _is_in(path, data_root) or _is_in(data_root, path):
        raise BadInput(field, "a path outside of the data directory", path)


def _is_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
