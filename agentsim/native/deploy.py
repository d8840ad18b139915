"""From verified fragments to a deployed package: check the whole, unpack, then STORE, LAUNCH or EXECUTE.

Nothing in an archive may reach out of the folder it is unpacked into: no absolute name, no "..", no link to the
outside, no device. Links are made after all files, so that no file is ever written through one.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import shutil
import signal
import stat
import subprocess
import tarfile
import time
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import trio
from blake3 import blake3

from agentsim.native.joined_file import JoinedFile
from distd.domain.errors import BadInput, Corrupt
from distd.packaging.hashing import chained, open_hashing_reader
from distd.storage.atomic import sync_folder
from distd.wire.ocs_info import encoded, is_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from agentsim.native.state import Folder
    from distd.domain.records import Info, Manifest

COPY_BYTES = 1_048_576
GZIP_MAGIC = b"\x1f\x8b"
EXECUTABLE = 0o755


def check(folder: Folder, info: Info, manifest: Manifest) -> None:
    """Make sure that the fragments are the package that manifest and `info` describe. Raises `Corrupt`.

    Each is compared with the signed manifest once more, and all together with what a stock agent checks.
    """
    named = hashlib.new(info.digest_algo.lower(), usedforsecurity=False)
    with chained(_paths(folder, manifest)) as read, open_hashing_reader(read, named) as reader:
        try:
            for fragment in manifest.fragments:
                digest = blake3()
                for piece in reader.read_pieces(fragment.length):
                    digest.update(piece)
                if digest.digest() != fragment.blake3:
                    what = f"fragment {fragment.number} of {info.id}"
                    raise Corrupt(what, fragment.blake3.hex(), digest.hexdigest())
            reader.end()
        except (EOFError, ValueError):
            raise Corrupt(f"package {info.id}", f"{manifest.size} bytes", "fewer or more") from None
    if not is_digest(info, named.digest()):
        raise Corrupt(f"package {info.id}", info.digest, encoded(named.digest(), info.digest_encode))


def open_archive(folder: Folder, manifest: Manifest) -> IO[bytes]:
    """The fragments as one file, the archive that they are parts of."""
    joined = JoinedFile(_paths(folder, manifest), [fragment.length for fragment in manifest.fragments])
    return io.BufferedReader(joined, COPY_BYTES)


def _paths(folder: Folder, manifest: Manifest) -> list[Path]:
    return [folder.fragment(fragment.number) for fragment in manifest.fragments]


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of an archive. `open` is None for a folder and for a link, which has a `link` instead."""

    name: str
    mode: int
    mtime_s: float
    open: Callable[[], IO[bytes] | None] | None = None
    symlink: str = ""
    hardlink: str = ""


def unpack(archive: IO[bytes], tree: Path) -> None:
    """tar.gz, else zip, into the empty folder `tree`. Raises `BadInput` for anything else, and for what reaches out."""
    try:
        is_tar = archive.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        if not is_tar and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zip_file:
                _extract(_zip_entries(zip_file), tree)
        else:
            archive.seek(0)
            with tarfile.open(fileobj=archive, mode="r:gz") as tar_file:
                _extract(_tar_entries(tar_file), tree)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput("package", "a readable tar.gz or zip", str(error)) from error


def _tar_entries(tar_file: tarfile.TarFile) -> Iterator[Entry]:
    for member in tar_file:
        mode = member.mode & 0o777
        if member.isreg():
            yield Entry(member.name, mode, member.mtime, partial(tar_file.extractfile, member))
        elif member.isdir():
            yield Entry(member.name, mode | 0o700, member.mtime)
        elif member.issym():
            yield Entry(member.name, mode, member.mtime, symlink=member.linkname)
        elif member.islnk():
            yield Entry(member.name, mode, member.mtime, hardlink=member.linkname)
        else:
            raise BadInput("package", "files, folders and links", f"a device or the like, {member.name}")


def _zip_entries(zip_file: zipfile.ZipFile) -> Iterator[Entry]:
    for member in zip_file.infolist():
        unix = member.external_attr >> 16
        mtime_s = _zip_time_s(member)
        if member.is_dir():
            yield Entry(member.filename, EXECUTABLE, mtime_s)
        elif stat.S_ISLNK(unix):
            yield Entry(member.filename, 0, mtime_s, symlink=os.fsdecode(zip_file.read(member)))
        elif stat.S_IFMT(unix) in (0, stat.S_IFREG):
            yield Entry(member.filename, unix & 0o777 or 0o644, mtime_s, partial(zip_file.open, member))
        else:
            raise BadInput("package", "files, folders and links", f"a device or the like, {member.filename}")


def _zip_time_s(member: zipfile.ZipInfo) -> float:
    """Zip has local time."""
    with suppress(ValueError, OverflowError):
        return time.mktime((*member.date_time, 0, 0, -1))
    return 0.0


def _extract(entries: Iterable[Entry], tree: Path) -> None:
    symlinks: list[tuple[Path, str]] = []
    for entry in entries:
        place = _inside(tree, entry.name)
        if place == tree:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.symlink:
            symlinks.append((place, entry.symlink))
        elif entry.hardlink:
            place.unlink(missing_ok=True)
            os.link(_inside(tree, entry.hardlink), place)
        elif entry.open is None:
            place.mkdir(exist_ok=True)
            place.chmod(entry.mode)
        else:
            _write(entry, entry.open, place)
    for place, target in symlinks:
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    for place, target in symlinks:
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(tree)):
            raise BadInput("package", "links that stay inside", f"{place.relative_to(tree)} → {target}")


def _inside(tree: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadInput("package", "names that stay inside", name)
    return tree / path


def _write(entry: Entry, opener: Callable[[], IO[bytes] | None], place: Path) -> None:
    place.unlink(missing_ok=True)  # a later member of one name wins, as with tar
    data = opener()
    assert data is not None  # it is a regular file
    with data, place.open("xb") as out:
        shutil.copyfileobj(data, out, COPY_BYTES)
    place.chmod(entry.mode)
    os.utime(place, (entry.mtime_s, entry.mtime_s))


def store(tree: Path, target: Path) -> None:
    """Copy the unpacked files to `target`, made if need be; each file is there whole or not at all. Raises `OSError`.

    A second run does no harm, so an interrupted STORE is simply done again.
    """
    target.mkdir(parents=True, exist_ok=True)
    for folder, _, files in os.walk(tree):
        here = target / Path(folder).relative_to(tree)
        if not here.exists():  # a folder of the computer's own keeps its mode
            here.mkdir()
            shutil.copymode(folder, here)
        links = [name for name in os.listdir(folder) if (Path(folder) / name).is_symlink()]
        for name in {*files, *links}:
            _place(Path(folder) / name, here / name)
        sync_folder(here)


def _place(source: Path, target: Path) -> None:
    beside = target.with_name(f".{target.name}.distd-new")
    beside.unlink(missing_ok=True)
    shutil.copy2(source, beside, follow_symlinks=False)
    if not beside.is_symlink():
        with beside.open("rb") as data:
            os.fsync(data.fileno())
    beside.replace(target)


async def launch(tree: Path, command: str, output: Path, timeout_s: float) -> str:
    """Run an unpacked file with its arguments. The code is SUCCESS_<exit status>, of whatever status, as on Unix."""
    try:
        name, *arguments = shlex.split(command)
        status = await run([_program(tree, name), *arguments], tree, output, timeout_s)
    except trio.TooSlowError:
        return "ERR_EXECUTE_TIMEOUT"
    except (OSError, ValueError, BadInput):
        return "ERR_EXECUTE"
    return f"SUCCESS_{status}"


def _program(tree: Path, name: str) -> str:
    file = _inside(tree, name).resolve()
    if not file.is_relative_to(tree.resolve()):
        raise BadInput("info/NAME", "a file of the package", name)
    file.chmod(EXECUTABLE)
    return str(file)


async def execute(tree: Path, command: str, output: Path, timeout_s: float) -> str:
    """Run a shell command in the unpacked folder."""
    try:
        status = await run(["/bin/sh", "-c", command], tree, output, timeout_s)
    except trio.TooSlowError:
        return "ERR_EXECUTE_TIMEOUT"
    except (OSError, ValueError):
        return "ERR_EXECUTE"
    return "ERR_EXECUTE" if status else "SUCCESS"


async def run(command: list[str], cwd: Path, output: Path, timeout_s: float) -> int:
    """Exit status (128 + number for a signal), with both outputs in the file `output`. Raises `trio.TooSlowError`.

    The command leads a process group of its own, which a time-out or a cancellation ends as a whole.
    """
    with output.open("wb") as log:
        process = await trio.lowlevel.open_process(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            with trio.fail_after(timeout_s):
                status = await process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with trio.CancelScope(shield=True):
                await process.wait()
            raise
    return status if status >= 0 else 128 - status
