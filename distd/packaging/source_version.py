"""Which version of a file or folder is there: a digest of its content, and what tells cheaply that nothing changed."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.domain.errors import BadInput, TooLarge
from distd.domain.watched_source import SETTLED_S, Settling, SourceVersion, check_path
from distd.packaging.content_digest import ContentDigest
from distd.packaging.source import PIECE_BYTES
from distd.packaging.source_files import find_members, open_member

if TYPE_CHECKING:
    from pathlib import Path

    from distd.packaging.source_files import Member

MAX_MEMBERS: Final = 100_000
SETTLING: Final = "~"  # before the hint of what may be written to


def look(
    path: Path, folders: tuple[str, ...], data_root: Path, *, hint: str, max_bytes: int, now_s: float
) -> SourceVersion | Settling | None:
    """The version at `path`; None: it is the one of `hint`. It blocks for long.

    What was written to a moment ago is settling; so is what has a time to come, until it is the same at the next look:
    clocks of other machines are wrong for as long as they like.

    Raises `BadInput` for a path that may not be read (`check_path`) or is no source, `TooLarge`.
    """
    real = resolve(path, folders, data_root)
    members = _members(real, follow=False)
    size_bytes = sum(member.size_bytes for member in members)
    if size_bytes > max_bytes:
        raise TooLarge("place", f"at most {max_bytes} bytes (sources.max_mib)", f"{size_bytes} bytes")
    now_hint, newest_s = _stamp(members)
    if now_hint == hint:
        return None
    is_settled = hint == SETTLING + now_hint if newest_s > now_s else newest_s <= now_s - SETTLED_S
    if not is_settled:
        return Settling(SETTLING + now_hint)
    digest = _digest(members)
    after = _stamp(_members(real, follow=False))[0]
    if after != now_hint:
        return Settling(SETTLING + after)
    return SourceVersion(digest, size_bytes, now_hint)


def resolve(path: Path, folders: tuple[str, ...], data_root: Path) -> Path:
    """The path without links. Raises `BadInput` where it may not be read, or is not there."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise BadInput("place", "a file or folder", str(path), str(getattr(error, "strerror", error))) from None
    check_path(str(real), folders, str(data_root.resolve()))
    return real


def digest_of(path: Path) -> str:
    """The digest of what is there."""
    return _digest(_members(path, follow=True))


def _members(path: Path, *, follow: bool) -> tuple[Member, ...]:
    if not (path.is_file() or path.is_dir()):
        raise BadInput("place", "a file or folder", str(path))
    return find_members(path, links=True, follow=follow, most=MAX_MEMBERS)


def _stamp(members: tuple[Member, ...]) -> tuple[str, float]:
    """Names, sizes and times of all, digested; and the newest time."""
    hasher, newest_ns = blake3(), 0
    for member in members:
        state = member.state
        newest_ns = max(newest_ns, state.changed_ns)
        row = [member.name, member.mode, member.size_bytes, member.link_target, state.changed_ns, state.inode]
        hasher.update(json.dumps(row).encode())
    return hasher.hexdigest(), newest_ns / 1e9


def _digest(members: tuple[Member, ...]) -> str:
    digest = ContentDigest()
    for member in members:
        digest.begin(member)
        if stat.S_ISREG(member.mode):
            with open_member(member) as file:
                while piece := file.read(PIECE_BYTES):
                    digest.add(piece)
    return digest.hexdigest()
