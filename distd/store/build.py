"""Building a package: archive, cut, hash, describe, sign; all in a hidden folder beside its final place.

One pass over the archive: MD5 (which stock agents need, and which is the slowest) runs in a thread of its own beside
SHA-256, BLAKE3 and the writing of the fragments in another. They meet at every block, so memory is two blocks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.core import info as info_format
from distd.core import manifest as manifest_format
from distd.core import recipes
from distd.core.errors import BadInput, Unavailable
from distd.core.records import Fragment, Manifest
from distd.store import archive, files
from distd.store import order as orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distd.core.records import Info
    from distd.store.keys import Signer
    from distd.store.layout import DataDir
    from distd.store.order import Order

    Progress = Callable[[int, int], None]

BLOCK_BYTES: Final = 4_194_304


class Built:
    """A package that is complete but for its name: `publish` gives it that, `discard` removes it."""

    def __init__(self, folder: Path, final: Path, info: Info, manifest: Manifest, warnings: tuple[str, ...]) -> None:
        self.info = info
        self.manifest = manifest
        self.warnings = warnings
        self._folder = folder
        self._final = final
        self._stack = ExitStack()

    @property
    def size(self) -> int:
        return self.manifest.size

    @property
    def fragments(self) -> int:
        return self.info.fragments

    def keep(self, stack: ExitStack) -> None:
        """Hold what `stack` holds (the folder and its lock) until the end."""
        self._stack = stack.pop_all()

    def sync(self) -> None:
        """Everything onto the disk: what takes long, and is done before anybody is kept waiting."""
        with full_disk_said_so():
            files.sync_tree(self._folder)

    def publish(self) -> None:
        """The final name."""
        with full_disk_said_so():
            files.publish_directory(self._folder, self._final)
        self._stack.close()

    def discard(self) -> None:
        self._stack.close()


def build(data: DataDir, package_id: str, order: Order, signer: Signer, progress: Progress | None = None) -> Built:
    """Prepare a package. `progress(done, total)` counts bytes, of the packing and of the cutting.

    Raises `BadInput` before anything is written, and `Unavailable` when the disk is full; nothing is left then.
    """
    orders.check(order)
    with ExitStack() as stack, full_disk_said_so():
        orders.check_room(data, order)
        folder = stack.enter_context(files.building(data.download, package_id))
        warnings = orders.warnings(order)
        content = _archive(order, folder, progress)
        if content is None:
            manifest = _manifest(package_id, b"", _Digests(), ())
        else:
            manifest = _cut(content, folder, package_id, order, progress)
            if content.parent == folder:
                content.unlink()
        info = orders.info_of(package_id, order, manifest.fragments, manifest.md5)
        text = info_format.render(info)
        _write(folder / "info", text)
        manifest = _with_info(manifest, text)
        _write(folder / "manifest", manifest_format.sign(manifest, signer.key, signer.certificate_der))
        built = Built(folder, data.package(package_id), info, manifest, warnings)
        built.keep(stack)
    return built


# --- the pass ----------------------------------------------------------------------------------------------------


def _archive(order: Order, folder: Path, progress: Progress | None) -> Path | None:
    """The archive to cut: the source itself, or one made of it in `folder`."""
    if order.source is None:
        return None
    if archive.is_ready(order.source):
        return order.source
    packed = folder / ".archive"
    with _script(order, folder) as source:
        archive.pack(source, packed, order.os, progress)
    return packed


@contextmanager
def _script(order: Order, folder: Path) -> Iterator[Path]:
    """The source, or for the while a copy of it whose lines end as its interpreter wants them."""
    assert order.source is not None
    if order.line_ends is None:
        yield order.source
        return
    copies = folder / ".script"
    copies.mkdir()
    try:
        copy = copies / order.source.name
        copy.write_bytes(recipes.with_line_ends(order.source.read_bytes(), order.line_ends))
        state = order.source.stat()
        copy.chmod(state.st_mode)
        os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))  # the same input, the same archive
        yield copy
    finally:
        shutil.rmtree(copies)


class _Digests:
    """All digests of the whole."""

    def __init__(self) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()
        self.blake3 = blake3()


def _cut(content: Path, folder: Path, package_id: str, order: Order, progress: Progress | None) -> Manifest:
    size_bytes = content.stat().st_size
    lengths = orders.plan(size_bytes, order)
    digests = _Digests()
    meter = archive.Meter(progress, size_bytes)
    cut = []
    with content.open("rb", buffering=0) as source, ThreadPoolExecutor(1) as md5_thread:
        for number, length in enumerate(lengths, 1):
            digest = blake3()
            with (folder / f"{package_id}-{number}").open("xb", buffering=0) as out:
                os.fchmod(out.fileno(), 0o644)
                for block in _blocks(source, length):
                    hashed = md5_thread.submit(digests.md5.update, block)
                    digests.sha256.update(block)
                    digests.blake3.update(block)
                    digest.update(block)
                    _write_all(out.fileno(), block)
                    hashed.result()
                    meter.add(len(block))
            cut.append(Fragment(number, length, digest.digest()))
        if source.read(1):
            raise BadInput("FILE", "a file that does not change while it is read", f"{content} has grown")
    return _manifest(package_id, b"", digests, tuple(cut))


def _blocks(source: object, length: int) -> Iterator[bytes]:
    left = length
    while left:
        block = source.read(min(left, BLOCK_BYTES))  # type: ignore[attr-defined]
        if not block:
            raise BadInput("FILE", "a file that does not change while it is read", "one that shrank")
        left -= len(block)
        yield block


def _write_all(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]


def _manifest(package_id: str, info: bytes, digests: _Digests, cut: tuple[Fragment, ...]) -> Manifest:
    return Manifest(
        package_id=package_id,
        version=1,
        size=sum(fragment.length for fragment in cut),
        md5=digests.md5.digest(),
        sha256=digests.sha256.digest(),
        blake3=digests.blake3.digest(),
        info_blake3=blake3(info).digest(),
        fragments=cut,
    )


def _with_info(manifest: Manifest, text: bytes) -> Manifest:
    return replace(manifest, info_blake3=blake3(text).digest())


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o644)


@contextmanager
def full_disk_said_so() -> Iterator[None]:
    """A full disk as what it is: something to be retried, not a bug."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable("data directory", "the disk is full") from error
        raise
