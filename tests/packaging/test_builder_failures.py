"""Whatever fails while a package is built, and wherever the builder is killed: the package is whole, or not there."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, Unavailable
from distd.domain.records import OperatingSystem
from distd.packaging import archive, builder, cutting, hashing
from distd.packaging.source_files import find_members
from distd.packaging.verify import verify
from distd.storage import atomic

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from distd.storage.data_dir import DataDir
    from tests.fixtures.package_dirs import PackageToBuild


@pytest.fixture
def package(package: PackageToBuild) -> PackageToBuild:
    """Four fragments: what no compressor makes smaller."""
    package.source.write_bytes(random.Random(1).randbytes(3000))
    return package


def failing(function: Callable[..., Any], at: int, error: BaseException) -> Callable[..., Any]:
    """`function`, but its `at`-th call fails."""
    calls = iter(range(1, 10**9))

    def called(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == at:
            raise error
        return function(*args, **kwargs)

    return called


# Where something is written: the object, its function, and at which calls of it something can go wrong.
STEPS: dict[str, tuple[Any, str, list[int]]] = {
    "the hidden folder": (Path, "mkdir", [1]),
    "the packed file": (archive, "_pack_tar", [1]),
    "a fragment": (os, "write", [1, 2, 3]),
    "into the content store": (os, "link", [1, 3]),
    "info and manifest": (Path, "write_bytes", [1, 2]),
    "onto the disk": (atomic, "_check", [1]),
    "the final name": (os, "fsync", [1, 2]),  # the folder without its lock; where it is
    "the lock and the name": (os, "rename", [1, 2]),
}
PLACES = [pytest.param(owner, name, at, id=f"{step} {at}") for step, (owner, name, ats) in STEPS.items() for at in ats]

ERRORS = {
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), Unavailable),
    "a quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), Unavailable),
    "a broken disk": (OSError(errno.EIO, "Input/output error"), OSError),
    "Ctrl-C": (KeyboardInterrupt(), KeyboardInterrupt),
}


@pytest.mark.parametrize(("error", "expected"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize(("owner", "name", "at"), PLACES)
def test_a_failure_leaves_all_or_nothing(
    package: PackageToBuild,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    at: int,
    error: BaseException,
    expected: type[BaseException],
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, failing(getattr(owner, name), at, error))
        with pytest.raises(expected) as raised:
            package.publish()
    if expected is Unavailable:
        assert str(raised.value) == "data directory: the disk is full"
    # Only the last step comes after the renaming.
    assert os.listdir(package.data.download) == (["17"] if (name, at) == ("fsync", 2) else [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_progress_that_raises_leaves_nothing(package: PackageToBuild, error: type[BaseException], at: int) -> None:
    with pytest.raises(error):
        package.build(progress=failing(lambda *_: None, at, error()))
    assert os.listdir(package.data.download) == []


class _NoMd5:
    def update(self, _block: memoryview) -> None:
        raise MemoryError


def test_what_fails_in_the_other_thread_fails_the_build(
    package: PackageToBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "new_hash", lambda _digest: _NoMd5())
    with pytest.raises(MemoryError):
        package.build()
    assert os.listdir(package.data.download) == []


@pytest.mark.parametrize("by_bytes", [1, -1])
def test_a_ready_archive_that_changes_while_it_is_cut_leaves_nothing(
    tmp_path: Path, package: PackageToBuild, monkeypatch: pytest.MonkeyPatch, by_bytes: int
) -> None:
    monkeypatch.setattr(hashing, "BLOCK_BYTES", 64)  # not all is read when the first fragment is written
    source = tmp_path / "x.zip"
    archive.pack(find_members(package.source, links=False), source, OperatingSystem.WINDOWS, None)

    def change(_done: int, _total: int) -> None:
        os.truncate(source, size_bytes + by_bytes)

    size_bytes = source.stat().st_size
    with pytest.raises(BadInput, match="source: expected a file that does not change while it is read"):
        package.build(source=source, progress=change)
    assert os.listdir(package.data.download) == []


def test_a_ready_archive_that_becomes_a_link_is_not_followed(tmp_path: Path, package: PackageToBuild) -> None:
    source = tmp_path / "x.zip"
    archive.pack(find_members(package.source, links=False), source, OperatingSystem.WINDOWS, None)
    checked = package.check(source=source)
    secret = source.rename(tmp_path / "ca.key")
    source.symlink_to(shutil.copy2(secret, tmp_path / "other"))
    with pytest.raises(BadInput, match=r"source: expected files that do not change while they are read, got .*a link"):
        builder.build(package.data, "17", checked, package.signer)
    assert os.listdir(package.data.download) == []


# Builds the same package again and again, each time in a process that is killed one event later than the last: events
# are those of the interpreter's audit (a file opened, renamed, removed…), each write and each fsync. Prints what it
# then finds, a line a process.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from distd.domain.fragment_plan import BySize
from distd.domain.records import Action, OperatingSystem
from distd.domain.package_spec import PackageSpec
from distd.packaging import builder
from distd.storage import atomic, pki
from distd.storage.data_dir import DataDir

site, data, source = DataDir(Path(sys.argv[1])), DataDir(Path(sys.argv[2])), Path(sys.argv[3])
signer = pki.load_signer(site.keys)
spec = PackageSpec(OperatingSystem.LINUX, 5, Action.STORE, "/opt/x", plan=BySize(1024))


def audited(function):
    return lambda *args: (sys.audit("step"), function(*args))[1]


def run(deadline):
    events = iter(range(deadline))
    os.write, os.fsync = audited(os.write), audited(os.fsync)
    sys.addaudithook(lambda *_: next(events, None) is None and signal.raise_signal(signal.SIGKILL))
    staged = builder.build(data, str(deadline), builder.check(source, spec), signer)
    staged.sync()
    staged.publish()
    os._exit(0)


deadline, status = 0, None
while status != 0:
    deadline += 1
    child = os.fork()
    if child == 0:
        run(deadline)
    status = os.waitpid(child, 0)[1]
    left = sorted(path.name for path in data.download.iterdir())
    atomic.remove_stale(data.download)
    removed = sorted(path.name for path in data.download.iterdir())
    print(json.dumps([deadline, status, left, removed]))
"""


def test_killed_at_any_moment_a_builder_leaves_nothing_half(
    site_keys: DataDir, package: PackageToBuild, ca: x509.Certificate
) -> None:
    command = [sys.executable, "-c", KILLED, str(site_keys.root), str(package.data.root), str(package.source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rounds) > 50
    assert [status for _, status, _, _ in rounds] == [9] * (len(rounds) - 1) + [0]
    assert any(name.startswith(atomic.BUILDING) for _, _, left, _ in rounds for name in left)
    published = [str(deadline) for deadline, _, left, _ in rounds if str(deadline) in left]
    assert len(published) > 1  # dead after the renaming, and not dead at all
    for deadline, _, _, removed in rounds:
        # The builds of later rounds must be whole too, those of earlier ones still there.
        assert removed == sorted(name for name in published if int(name) <= deadline)
    for package_id in published:
        assert verify(package.data, package_id, ca) == {}
