"""Building a package: archive, cut, hash, describe, sign; all in a hidden folder beside its final place.

One pass over the archive (`packaging.hashing`): the digest that stock agents need, the slowest by far, runs in a thread
of its own; BLAKE3 of the whole and of each fragment and the writing in another.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3

from distd.domain import fragment_plan as plans
from distd.domain import recipes
from distd.domain.errors import BadInput
from distd.domain.fragment_plan import ByContent
from distd.domain.records import Digest, Fragment, Manifest
from distd.packaging import archive, cdc
from distd.packaging import order as orders
from distd.packaging.hashing import flow
from distd.storage import atomic, quota
from distd.storage.atomic import map_disk_full
from distd.storage.fragment_store import FragmentStore
from distd.storage.quota import Room
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info as info_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from distd.domain.records import Info
    from distd.packaging.hashing import Flow, Read
    from distd.packaging.order import Order
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer

    Progress = Callable[[int, int], None]

# OpenSSL's names of what agents check.
_HASHES: Final = {Digest.MD5: "md5", Digest.SHA1: "sha1", Digest.SHA256: "sha256"}


class Built:
    """A package that is complete but for its name: `publish` gives it that, `discard` removes it."""

    def __init__(
        self, data: DataDir, folder: Path, info: Info, manifest: Manifest, warnings: tuple[str, ...] = ()
    ) -> None:
        self.info = info
        self.manifest = manifest
        self.warnings = warnings
        self._data = data
        self._folder = folder
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
        """Into the content store and onto the disk: what takes long, and is done before anybody is kept waiting."""
        store = FragmentStore(self._data.fragments)
        with map_disk_full():
            for fragment in self.manifest.fragments:
                store.keep(f"{self._folder}/{self.info.id}-{fragment.number}", fragment.blake3)
            atomic.sync_tree(self._folder)

    def publish(self) -> None:
        """The final name."""
        with map_disk_full():
            atomic.publish_directory(self._folder, self._data.package(self.info.id))
        self._stack.close()

    def replace(self) -> None:
        """The final name, in place of what is there, which `discard` then removes. Once more: as it was."""
        with map_disk_full():
            atomic.replace_directory(self._folder, self._data.package(self.info.id))

    def discard(self) -> None:
        self._stack.close()


def build(
    data: DataDir,
    package_id: str,
    order: Order,
    signer: Signer,
    progress: Progress | None = None,
    limits: Room = Room(),  # noqa: B008  # a value
) -> Built:
    """Prepare a package. `progress(done, total)` counts bytes, of the packing and of the cutting.

    Raises `BadInput` before anything is written, and `Unavailable` when the disk is full; nothing is left then.
    """
    orders.check(order)
    with ExitStack() as stack, map_disk_full():
        work_bytes, stay_bytes = orders.needs_bytes(order)
        quota.check(data, limits, work_bytes=work_bytes, stay_bytes=stay_bytes)
        folder = stack.enter_context(atomic.building(data.download, package_id))
        warnings = orders.warnings(order)
        content = _archive(order, folder, progress)
        its = NOTHING if content is None else _cut(content, folder, package_id, order, progress)
        if content is not None and content.parent == folder:
            content.unlink()
        info = orders.info_of(package_id, order, len(its.fragments), its.digest)
        digest = Digest.MD5 if content is None else order.digest
        manifest = describe(folder, info_format.render(info), manifest_of(package_id, digest, its), signer)
        built = Built(data, folder, info, manifest, warnings)
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


@dataclass(frozen=True, slots=True)
class Cut:
    """What the pass over a package's bytes gives: its fragments, its digest, its BLAKE3 (empty: not computed)."""

    fragments: tuple[Fragment, ...]
    digest: bytes
    blake3: bytes


NOTHING: Final = Cut((), hashlib.md5(usedforsecurity=False).digest(), blake3().digest())


def _cut(content: Path, folder: Path, package_id: str, order: Order, progress: Progress | None) -> Cut:
    size_bytes = content.stat().st_size
    if isinstance(order.plan, ByContent):
        lengths = cdc.lengths(content, order.plan)
    else:
        lengths = plans.lengths(order.plan, size_bytes)
    meter = archive.Meter(progress, size_bytes)
    with content.open("rb", buffering=0) as source:
        try:
            return cut(source.readinto, lengths, folder, package_id, order.digest, meter)
        except EOFError:
            raise BadInput("FILE", "a file that does not change while it is read", f"{content} has shrunk") from None
        except ValueError:
            raise BadInput("FILE", "a file that does not change while it is read", f"{content} has grown") from None


def cut(read: Read, lengths: Sequence[int], folder: Path, package_id: str, digest: Digest, meter: archive.Meter) -> Cut:
    """Write what `read` gives as fragments of these lengths into `folder`, hashing it all.

    BLAKE3 of the whole is computed beside MD5, which leaves time for it, and not beside the quicker digests.
    Raises `EOFError` when there is less, `ValueError` when there is more.
    """
    slow = new_hash(digest)
    whole = blake3()
    others = (whole,) if digest is Digest.MD5 else ()
    fragments = []
    with flow(read, slow, others) as flowing:
        for number, length in enumerate(lengths, 1):
            fragments.append(_fragment(flowing, f"{folder}/{package_id}-{number}", number, length, meter))
        flowing.end()
    return Cut(tuple(fragments), slow.digest(), whole.digest() if others else b"")


def new_hash(digest: Digest) -> Any:
    """OpenSSL's, which lets go of the interpreter while it works."""
    return hashlib.new(_HASHES[digest], usedforsecurity=False)


def _fragment(flowing: Flow, file: str, number: int, length: int, meter: archive.Meter) -> Fragment:
    digest = blake3()
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)  # whatever the umask says
        for piece in flowing.take(length):
            digest.update(piece)
            _write_all(fd, piece)
            meter.add(len(piece))
    finally:
        os.close(fd)
    return Fragment(number, length, digest.digest())


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]


def manifest_of(package_id: str, digest: Digest, cut: Cut, version: int = 1) -> Manifest:
    """The manifest of what was cut, but for its info: see `describe`."""
    return Manifest(
        package_id=package_id,
        version=version,
        size=sum(fragment.length for fragment in cut.fragments),
        md5=cut.digest if digest is Digest.MD5 else b"",
        sha256=cut.digest if digest is Digest.SHA256 else b"",
        blake3=cut.blake3,
        info_blake3=b"",
        fragments=cut.fragments,
    )


def describe(folder: Path, info: bytes, manifest: Manifest, signer: Signer) -> Manifest:
    """Write `info` and the manifest, which vouches for it, into a folder that is being built."""
    manifest = replace(manifest, info_blake3=blake3(info).digest())
    _write(folder / "info", info)
    _write(folder / "manifest", manifest_format.sign(manifest, signer.key, signer.certificate_der))
    return manifest


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o644)
