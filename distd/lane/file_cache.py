"""The files of package directories, open and ready to be sent.

A package directory does not change once it is published but for an atomic swap of `info`, and it may be deleted.
So an open file is good until its name stands for another one, which is checked once a second at the most.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias

from distd.domain.errors import DistdError
from distd.domain.lru import Lru
from distd.wire.http import ALWAYS_ASK, ASK_AFTER_1_S, file_fields, validators

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distd.wire.manifest import Digests

# Bodies up to this size are kept in memory: one send() instead of two calls. At 64 KiB it is no gain any more.
IN_MEMORY_BYTES: Final = 16 * 1024
RECHECK_S: Final = 1.0
MAX_DIGESTS_BYTES: Final = 41_943_040  # of the manifests that are remembered: a million fragments
OWN_BYTES: Final = 512  # of one that has no fragments, about
FRAGMENT_OWN_BYTES: Final = 40  # digest and length
OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
FRAGMENT_TYPE: Final = b"application/octet-stream"

_TYPES: Final = {"info": b"application/xml", "manifest": b"application/msgpack"}

Identity: TypeAlias = tuple[int, int, int, int]
# What is sent: bytes as they are, or a span (start, stop) of the file.
Part: TypeAlias = bytes | tuple[int, int]


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
        self.identity: Identity | None = _identity(state)
        self.size = state.st_size
        self.modified_s = int(state.st_mtime)
        self.content_type = _TYPES.get(name, FRAGMENT_TYPE)
        self.etag = etag
        self.fields = file_fields(self.content_type, self.size, self.validators)
        self.in_memory = self.size <= IN_MEMORY_BYTES
        if self.in_memory:
            self.fields += os.pread(fd, self.size, 0)
        self.checked_s = now_s
        self.fd = fd  # last: from here on __del__ closes it

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)

    @property
    def validators(self) -> bytes:
        """Lines of an answer's head: see `wire.http.validators`."""
        return validators(self.etag, ASK_AFTER_1_S if self.number else ALWAYS_ASK)

    def part(self, start: int, stop: int) -> Part:
        """What is sent for a span of the file: bytes of one in memory, else the span."""
        if not self.in_memory:
            return start, stop
        begin = len(self.fields) - self.size
        return self.fields[begin + start : begin + stop]


class SmallFragment(OpenFile):
    """A fragment in memory, without a descriptor. It has no identity: it is read again instead of being checked."""

    __slots__ = ()

    def __init__(self, package: KnownPackage, number: int, body: bytes, now_s: float) -> None:
        self.package_id = package.digests.package_id
        self.number = number
        self.identity = None
        self.size = len(body)
        self.modified_s = package.modified_s
        self.content_type = FRAGMENT_TYPE
        self.etag = b'"%s"' % package.digests.of_fragment(number).hex().encode()
        self.fields = file_fields(FRAGMENT_TYPE, self.size, self.validators) + body
        self.in_memory = True
        self.checked_s = now_s


class KnownPackage:
    """What the manifest of a package says, and when its file was last checked to be the same one."""

    __slots__ = ("checked_s", "digests", "identity", "modified_s")

    def __init__(self, digests: Digests, state: os.stat_result, now_s: float) -> None:
        self.digests = digests
        self.identity = _identity(state)
        self.modified_s = int(state.st_mtime)
        self.checked_s = now_s


class FileCache:
    """Open files by their path below the `download` folder, e.g. b"1700000001/1700000001-3".

    `digests_of` gives what a package's manifest says or raises: its digests are the ETags. At most `capacity` files
    stay open; of those that were not asked for within the last second, the least recently used one is closed first.
    """

    def __init__(self, download: Path, digests_of: Callable[[str], Digests], capacity: int = 4096) -> None:
        self._download = os.fsencode(download) + b"/"
        self._digests_of = digests_of
        self._capacity = capacity
        # In the order in which they were last checked. An `Lru` would note each use, which costs every request
        # 0.2 µs more; to know the order to the second is enough.
        self._files: OrderedDict[bytes, OpenFile] = OrderedDict()
        self._packages: Lru[str, KnownPackage] = Lru(MAX_DIGESTS_BYTES, _weigh)

    def get(self, key: bytes, now_s: float) -> OpenFile | None:
        """The file at `key`, or None when there is none. `now_s` is any steady clock's."""
        file = self._files.get(key)
        if file is not None:
            if now_s - file.checked_s < RECHECK_S:
                return file
            del self._files[key]
            if file.identity is not None and self._unchanged(key, file.identity):
                file.checked_s = now_s
                self._files[key] = file
                return file
        file = self._open(key, now_s)
        if file is not None:
            while len(self._files) >= self._capacity:
                self._files.popitem(last=False)
            self._files[key] = file
        return file

    def _unchanged(self, key: bytes, identity: Identity) -> bool:
        try:
            return _identity(os.stat(self._download + key)) == identity
        except OSError:
            return False

    def _open(self, key: bytes, now_s: float) -> OpenFile | None:
        package_id, _, name = key.decode("ascii").partition("/")
        number = int(name.partition("-")[2] or 0)
        package = self._package(package_id, now_s) if number else None
        if package is not None and number <= len(package.digests.lengths):
            length = package.digests.lengths[number - 1]
            body = self._read(key, length) if length <= IN_MEMORY_BYTES else None
            if body is not None:
                return SmallFragment(package, number, body, now_s)
        # Another version may have come just now, whose files are others: they get its digests.
        package = self._package(package_id, now_s, checked_within_s=0.0) if name != "manifest" else None
        return self._open_file(key, name, _digest(package, number), now_s)

    def _read(self, key: bytes, length: int) -> bytes | None:
        """The file at `key`, if it is so long: in half the time that it takes to open one and to ask what it is."""
        try:
            fd = os.open(self._download + key, OPEN_FLAGS | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            body = os.pread(fd, length + 1, 0)
        except OSError:
            return None
        finally:
            os.close(fd)
        return body if len(body) == length else None

    def _open_file(self, key: bytes, name: str, digest: bytes, now_s: float) -> OpenFile | None:
        """`digest` empty: there is no manifest, or the file is not in it. Then the ETag is what nginx would send."""
        try:
            fd = os.open(self._download + key, OPEN_FLAGS)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                os.close(fd)
                return None
            etag = b'"%s"' % digest.hex().encode() if digest else b'"%x-%x"' % (state.st_mtime_ns, state.st_size)
            return OpenFile(fd, state, name, etag, now_s)
        except BaseException:
            os.close(fd)
            raise

    def _package(self, package_id: str, now_s: float, *, checked_within_s: float = RECHECK_S) -> KnownPackage | None:
        """Remembered for as long as the manifest's file is the same one; None: there is none that can be used."""
        known = self._packages.get(package_id)
        if known is not None and now_s - known.checked_s < checked_within_s:
            return known
        try:
            state = os.stat(self._download + package_id.encode("ascii") + b"/manifest")
            if known is None or _identity(state) != known.identity:
                known = KnownPackage(self._digests_of(package_id), state, now_s)
                self._packages.put(package_id, known)
        except (DistdError, OSError):
            self._packages.pop(package_id)
            return None
        known.checked_s = now_s
        return known


def _digest(package: KnownPackage | None, number: int) -> bytes:
    if package is None:
        return b""
    return package.digests.of_fragment(number) if number else package.digests.info


def _weigh(package: KnownPackage) -> int:
    return OWN_BYTES + FRAGMENT_OWN_BYTES * len(package.digests.lengths)


def _identity(state: os.stat_result) -> Identity:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
