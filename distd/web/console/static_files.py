"""The console's own files: style sheet, scripts, and what is vendored. In memory, compressed once.

The address of a file has its digest, so browsers keep it for ever and never have an old one.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from quart import Response, request

FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static/"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
DIGEST_CHARACTERS: Final = 12
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file, as it is and compressed."""

    content_type: str
    plain: bytes
    compressed: bytes


@cache
def files() -> dict[str, StaticFile]:
    """All files by "digest/name"; the name is a path in the folder."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            data = path.read_bytes()
            digest = hashlib.blake2b(data, digest_size=DIGEST_CHARACTERS // 2).hexdigest()
            file = StaticFile(TYPES[path.suffix], data, gzip.compress(data, mtime=0))
            found[f"{digest}/{path.relative_to(FOLDER)}"] = file
    return found


@cache
def _addresses() -> dict[str, str]:
    return {key.partition("/")[2]: f"{PREFIX}{key}" for key in files()}


def address_of(name: str) -> str:
    """The path at which a file is served. Raises `KeyError`."""
    return _addresses()[name]


def answer(key: str) -> Response | None:
    """The answer to a request for a file; None: there is none."""
    file = files().get(key)
    if file is None:
        return None
    fields = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(file.compressed, headers=fields | {"Content-Encoding": "gzip"}, content_type=file.content_type)
    return Response(file.plain, headers=fields, content_type=file.content_type)
