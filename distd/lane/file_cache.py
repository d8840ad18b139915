"""The files of package directories, open and ready to be sent.

A package directory does not change once it is published but for an atomic swap of `info`, and it may be deleted.
So an open file is good until its name stands for another one, which is checked once a second at the most.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from distd.domain.errors import DistdError
from distd.domain.lru import Lru
from distd.wire.http import file_fields

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distd.domain.records import Manifest

# Bodies up to this size are kept in memory: one send() instead of two calls. At 64 KiB it is no gain any more.
IN_MEMORY_BYTES: Final = 16 * 1024
RECHECK_S: Final = 1.0
MAX_KNOWN_PACKAGES: Final = 64
FRAGMENT_TYPE: Final = b"application/octet-stream"

_TYPES: Final = {"info": b"application/xml", "manifest": b"application/msgpack"}

Identity = tuple[int, int, int, int]


class OpenFile:
    """A file to send. Its descriptor lives as long as anybody holds it, so a deleted file is still sent whole.

    `etag` is quoted. `fields` are those of a 200, with the empty line, and behind it the body of a small file; then
    `in_memory` is true. `package_id` and `number` say whose fragment it is; `info` and `manifest` have the number 0.
    """

    __slots__ = (
        "checked_s",
        "content_type",
        "etag",
        "fd",
        "fields",
        "identity",
        "in_memory",
        "modified_s",
        "number",
        "package_id",
        "size",
    )

    def __init__(self, fd: int, state: os.stat_result, name: str, etag: bytes, now_s: float) -> None:
        package_id, _, number = name.partition("-")
        self.package_id = package_id if number else ""
        self.number = int(number or 0)
        self.identity = _identity(state)
        self.size = state.st_size
        self.modified_s = int(state.st_mtime)
        self.content_type = _TYPES.get(name, FRAGMENT_TYPE)
        self.etag = etag
        self.fields = file_fields(self.content_type, self.size, etag, self.modified_s)
        self.in_memory = self.size <= IN_MEMORY_BYTES
        if self.in_memory:
            self.fields += os.pread(fd, self.size, 0)
        self.checked_s = now_s
        self.fd = fd  # last: from here on __del__ closes it

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


class FileCache:
    """Open files by their path below the `download` folder, e.g. b"1700000001/1700000001-3".

    `manifest_of` gives a package's manifest or raises; its BLAKE3 digests are the ETags. At most `capacity` files
    stay open; of those that were not asked for within the last second, the least recently used one is closed first.
    """

    def __init__(self, download: Path, manifest_of: Callable[[str], Manifest], capacity: int = 4096) -> None:
        self._download = os.fsencode(download) + b"/"
        self._manifest_of = manifest_of
        self._capacity = capacity
        # In the order in which they were last checked. An `Lru` would note each use, which costs every request
        # 0.2 µs more; to know the order to the second is enough.
        self._files: dict[bytes, OpenFile] = {}
        self._etags: Lru[str, tuple[Identity, dict[str, bytes]]] = Lru(MAX_KNOWN_PACKAGES)

    def get(self, key: bytes, now_s: float) -> OpenFile | None:
        """The file at `key`, or None when there is none. `now_s` is any steady clock's."""
        file = self._files.get(key)
        if file is not None:
            if now_s - file.checked_s < RECHECK_S:
                return file
            del self._files[key]
            if self._unchanged(key, file):
                file.checked_s = now_s
                self._files[key] = file
                return file
        return self._open(key, now_s)

    def _unchanged(self, key: bytes, file: OpenFile) -> bool:
        try:
            return _identity(os.stat(self._download + key)) == file.identity
        except OSError:
            return False

    def _open(self, key: bytes, now_s: float) -> OpenFile | None:
        package_id, _, name = key.decode("ascii").partition("/")
        try:
            fd = os.open(self._download + key, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                os.close(fd)
                return None
            file = OpenFile(fd, state, name, self._etag(package_id, name, state), now_s)
        except BaseException:
            os.close(fd)
            raise
        while len(self._files) >= self._capacity:
            del self._files[next(iter(self._files))]
        self._files[key] = file
        return file

    def _etag(self, package_id: str, name: str, state: os.stat_result) -> bytes:
        """The BLAKE3 of the manifest; for a folder without a manifest what nginx would send."""
        digest = self._digests(package_id).get(name) if name != "manifest" else None
        return b'"%s"' % digest if digest else b'"%x-%x"' % (state.st_mtime_ns, state.st_size)

    def _digests(self, package_id: str) -> dict[str, bytes]:
        """File name → hexadecimal BLAKE3, remembered for as long as the manifest's file is the same one."""
        try:
            identity = _identity(os.stat(self._download + package_id.encode("ascii") + b"/manifest"))
        except OSError:
            return {}
        known = self._etags.get(package_id)
        if known is not None and known[0] == identity:
            return known[1]
        try:
            manifest = self._manifest_of(package_id)
        except (DistdError, OSError):
            return {}
        digests = {f"{package_id}-{f.number}": f.blake3.hex().encode() for f in manifest.fragments}
        digests["info"] = manifest.info_blake3.hex().encode()
        self._etags.put(package_id, (identity, digests))
        return digests


def _identity(state: os.stat_result) -> Identity:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
