"""From verified fragments to a deployed package: check the whole, then, once it is unpacked, LAUNCH or EXECUTE."""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import signal
import subprocess
from contextlib import suppress
from typing import IO, TYPE_CHECKING

import trio
from blake3 import blake3

from agentsim.native.joined_file import JoinedFile
from agentsim.native.unpack import EXECUTABLE, inside
from distd.domain.errors import BadInput, Corrupt
from distd.packaging.hashing import chained, open_hashing_reader
from distd.wire.ocs_info import encoded, is_digest

if TYPE_CHECKING:
    from pathlib import Path

    from agentsim.native.state import Folder
    from distd.domain.records import Info, Manifest

COPY_BYTES = 1_048_576


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
    file = inside(tree, name).resolve(strict=True)
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
