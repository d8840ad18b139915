"""Building a package: archive, cut, hash, describe, sign; all in a hidden folder beside its final place.

One pass over the archive: MD5 (which stock agents need, and which is the slowest) runs in a thread of its own beside
SHA-256, BLAKE3 and the writing of the fragments in another. They meet at every block, so memory is two blocks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.core import fragments, xml
from distd.core import info as info_format
from distd.core import manifest as manifest_format
from distd.core.errors import BadInput, Unavailable
from distd.core.records import Action, Fragment, Info, Manifest, Notify, OperatingSystem
from distd.store import archive, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distd.store.keys import Signer
    from distd.store.layout import DataDir

    Progress = Callable[[int, int], None]

DEFAULT_FRAGMENT_BYTES: Final = 1_048_576
BLOCK_BYTES: Final = 4_194_304
PRIORITIES: Final = range(11)

# The option that holds the target of each action.
OPTIONS: Final = {Action.STORE: "--path", Action.LAUNCH: "--launch", Action.EXECUTE: "--command"}

# The stock Unix agent gives a STORE's path to a shell: `cp -pr * PATH`.
_SHELL_SAFE: Final = re.compile(r"[A-Za-z0-9_./+@%:,=~-]+")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built. `source` None: a command without a file. Neither size nor count: fragments of 1 MiB."""

    source: Path | None
    os: OperatingSystem
    priority: int
    action: Action
    target: str
    fragment_bytes: int | None = None
    fragment_count: int | None = None
    notify: Notify = field(default_factory=Notify)


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
    check(order)
    with ExitStack() as stack, full_disk_said_so():
        _check_room(data, order)
        folder = stack.enter_context(files.building(data.download, package_id))
        warnings = _warnings(order)
        content = _archive(order, folder, progress)
        if content is None:
            manifest = _manifest(package_id, b"", _Digests(), ())
        else:
            manifest = _cut(content, folder, package_id, order, progress)
            if content.parent == folder:
                content.unlink()
        info = _info(package_id, order, manifest.fragments, manifest.md5)
        text = info_format.render(info)
        _write(folder / "info", text)
        manifest = _with_info(manifest, text)
        _write(folder / "manifest", manifest_format.sign(manifest, signer.key, signer.certificate_der))
        built = Built(folder, data.package(package_id), info, manifest, warnings)
        built.keep(stack)
    return built


# --- checks ------------------------------------------------------------------------------------------------------


def check(order: Order) -> None:
    """Whether the order can be: all that can be known before anything is written. Raises `BadInput`."""
    if order.priority not in PRIORITIES:
        raise BadInput("--priority", "0 to 10", order.priority)
    _check_target(order)
    _check_texts(order)
    names = _check_source(order)
    _check_plan(order)
    if order.action is Action.LAUNCH:
        _check_launch(order, names)


def _check_target(order: Order) -> None:
    option, target = OPTIONS[order.action], order.target
    if not target.strip() or any(ord(character) < 32 for character in target):
        raise BadInput(option, f"what --action {order.action} needs, on one line", target)
    unix = order.os is not OperatingSystem.WINDOWS
    if order.action is Action.STORE and unix and not _SHELL_SAFE.fullmatch(target):
        hint = "the stock Unix agent gives it to a shell"
        raise BadInput(option, "a path without spaces and shell characters", target, hint)
    if order.action is Action.STORE and target.startswith("-"):
        raise BadInput(option, "a path", target)
    if order.action is Action.LAUNCH and unix and "-" in target.split()[0]:
        hint = "the stock Unix agent cuts the name there and reports ERR_EXECUTE"
        raise BadInput(option, 'a file name without "-"', target.split()[0], hint)


def _check_texts(order: Order) -> None:
    xml.escape(order.target, OPTIONS[order.action])
    xml.escape(order.notify.text, "--notify-text")
    xml.escape(order.notify.done_action_text, "--done-text")
    # An info that cannot be read back, being too long say, is none that an agent should get.
    info_format.parse(info_format.render(_info("0" * 20, order, (), b"")))


def _check_source(order: Order) -> set[str]:
    """The names of the files that the package is going to hold."""
    source = order.source
    if source is None:
        if order.action is not Action.EXECUTE:
            raise BadInput("FILE", f"a file or folder, as --action {order.action} needs one", "nothing")
        return set()
    mode = _mode(source)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadInput("FILE", "a file or folder", f"{source}, which is neither")
    members = list(archive.scan(source, links=order.os is not OperatingSystem.WINDOWS))
    if stat.S_ISREG(mode) and archive.claims_to_be_one(source):
        return _check_archive(source, order.os)
    shown = (member.name for member in members if "/" not in member.name)
    unix = order.os is not OperatingSystem.WINDOWS
    if unix and order.action is Action.STORE and all(name.startswith(".") for name in shown):
        hint = "the stock Unix agent stores `*`, and fails when there is none"
        raise BadInput("FILE", "something to store that is not hidden", str(source), hint)
    return {member.name for member in members if not stat.S_ISDIR(member.mode)}


def _mode(source: Path) -> int:
    try:
        return source.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput("FILE", "a file or folder", f"{source}, which is not there") from None
    except (OSError, ValueError) as error:
        raise BadInput("FILE", "a file or folder", str(error)) from None


def _check_archive(source: Path, system: OperatingSystem) -> set[str]:
    kind = archive.kind_of(source)
    if kind is None:
        raise BadInput("FILE", "a zip or tar.gz archive, as its name says", str(source))
    if system is OperatingSystem.WINDOWS and kind == "tar.gz":
        raise BadInput("FILE", "a zip for Windows", f"{source}, a tar.gz", "its agent unpacks nothing else")
    return archive.file_names(source, kind)


def _check_plan(order: Order) -> None:
    """How it is cut. Of what is still to be packed the size is not known yet, so not all can be said."""
    if order.fragment_bytes is not None and order.fragment_count is not None:
        raise BadInput("--fragments", "either --fragments or --fragment-size", "both")
    if order.source is not None and archive.is_ready(order.source):
        _plan(order.source.stat().st_size, order)
    elif order.fragment_count is None:
        _plan(0, order)
    elif not 1 <= order.fragment_count <= fragments.MAX_FRAGMENTS:
        raise BadInput("--fragments", f"1 to {fragments.MAX_FRAGMENTS}", order.fragment_count)


def _check_launch(order: Order, names: set[str]) -> None:
    """The file to launch must be in the archive: for a Windows agent whatever the case of its letters."""
    wanted = order.target.split()[0].removeprefix("./")
    if order.os is OperatingSystem.WINDOWS:
        # The name may hold spaces and backslashes, and arguments may follow it.
        line = order.target.replace("\\", "/").lower().lstrip('"') + " "
        found = any(line.startswith((f"{name.lower()} ", f'{name.lower()}"')) for name in names)
    else:
        found = wanted in names
    if not found:
        some = f"such as {', '.join(sorted(names)[:5])}" if names else "which has none"
        raise BadInput("--launch", f"a file of the package, {some}", wanted)


def _check_room(data: DataDir, order: Order) -> None:
    """Refuse before the start what would fill the disk."""
    if order.source is None:
        return
    if order.source.is_dir():
        need_bytes = 2 * sum(member.size_bytes for member in archive.scan(order.source, links=True))
    else:
        need_bytes = order.source.stat().st_size * (1 if archive.is_ready(order.source) else 2)
    free_bytes = shutil.disk_usage(data.download).free
    if need_bytes * 101 // 100 > free_bytes:
        raise Unavailable("data directory", f"{need_bytes * 101 // 100} bytes are needed, {free_bytes} are free")


def _warnings(order: Order) -> tuple[str, ...]:
    """What is allowed and may still surprise."""
    source = order.source
    if source is None or not source.is_dir() or order.action is not Action.STORE:
        return ()
    hidden = sorted(path.name for path in source.iterdir() if path.name.startswith("."))
    if not hidden or order.os is OperatingSystem.WINDOWS:
        return ()
    return (f"the stock Unix agent stores `*`, so not {', '.join(hidden[:5])} at the top of the folder",)


# --- the pass ----------------------------------------------------------------------------------------------------


def _archive(order: Order, folder: Path, progress: Progress | None) -> Path | None:
    """The archive to cut: the source itself, or one made of it in `folder`."""
    if order.source is None:
        return None
    if archive.is_ready(order.source):
        return order.source
    packed = folder / ".archive"
    archive.pack(order.source, packed, order.os, progress)
    return packed


class _Digests:
    """All digests of the whole."""

    def __init__(self) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()
        self.blake3 = blake3()


def _cut(content: Path, folder: Path, package_id: str, order: Order, progress: Progress | None) -> Manifest:
    size_bytes = content.stat().st_size
    lengths = _plan(size_bytes, order)
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


def _plan(size_bytes: int, order: Order) -> list[int]:
    if order.fragment_count is not None:
        return fragments.by_count(size_bytes, order.fragment_count)
    fragment_bytes = DEFAULT_FRAGMENT_BYTES if order.fragment_bytes is None else order.fragment_bytes
    return fragments.by_size(size_bytes, fragment_bytes)


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


def _info(package_id: str, order: Order, cut: tuple[Fragment, ...], md5: bytes) -> Info:
    return Info(
        id=package_id,
        priority=order.priority,
        action=order.action,
        target=order.target,
        fragments=len(cut),
        digest=md5.hex() if cut else "",
        notify=order.notify,
    )


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
