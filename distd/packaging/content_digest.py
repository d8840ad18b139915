"""The digest of the content of a source: of its names, of what is executable, of where links lead, of all bytes."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from distd.packaging.source_files import Member


class ContentDigest:
    """Of members, each begun before its bytes are added, in their order."""

    def __init__(self) -> None:
        self._hasher = blake3()

    def begin(self, member: Member) -> None:
        """What follows are the bytes of this one."""
        mode = member.state.mode
        row = [member.name, stat.S_IFMT(mode), mode & 0o111, member.size_bytes, member.link_target]
        self._hasher.update(json.dumps(row).encode())

    def add(self, data: bytes | memoryview) -> None:
        """More bytes of the member that was begun."""
        self._hasher.update(data)

    def hexdigest(self) -> str:
        """Of all until now."""
        return self._hasher.hexdigest()
