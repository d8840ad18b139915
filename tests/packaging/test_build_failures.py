"""Whatever fails while a package is built, wherever the builder dies: the package is there as a whole, or nothing."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, Unavailable
from distd.domain.records import OperatingSystem
from distd.packaging import archive, builder, hashing
from distd.packaging.verify import verify
from distd.storage import atomic, fragment_store
from distd.storage.data_dir import DataDir

if TYPE_CHECKING:
    from cryptography import x509

    from distd.storage.pki import Signer


@pytest.fixture
def order(order: Any) -> Any:
    """Four fragments: what no compressor makes smaller."""
    order.source.write_bytes(random.Random(1).randbytes(3000))
    return order


def failing(function: Any, at: Any, error: Any) -> Any:
    """`function`, but its `at`-th call fails."""
    calls = iter(range(1, 10**9))

    def called(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == at:
            raise error
        return function(*args, **kwargs)

    return called


# Where something is written: the object, its function, and at which calls of it something can go wrong.
STEPS = {
    "the hidden folder": (Path, "mkdir", [1]),
    "the packed file": (archive, "_pack_tar", [1]),
    "a fragment": (builder.os, "write", [1, 2, 3]),
    "into the content store": (fragment_store.os, "link", [1, 3]),
    "info and manifest": (Path, "write_bytes", [1, 2]),
    "onto the disk": (atomic, "_check", [1]),
    "the final name": (atomic.os, "fsync", [1, 2]),  # the folder without its lock; where it is
    "the lock and the name": (atomic.os, "rename", [1, 2]),
}
PLACES = [pytest.param(owner, name, at, id=f"{step} {at}") for step, (owner, name, ats) in STEPS.items() for at in ats]

ERRORS = {
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), Unavailable),
    "a quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), Unavailable),
    "a broken disk": (OSError(errno.EIO, "Input/output error"), OSError),
    "Ctrl-C": (KeyboardInterrupt(), KeyboardInterrupt),
}


def finish(data: Any, order: Any, signer: Any) -> None:
    built = builder.build(data, "17", order, signer)
    try:
        built.sync()
        built.publish()
    except BaseException:
        built.discard()
        raise


@pytest.mark.parametrize(("error", "expected"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize(("owner", "name", "at"), PLACES)
def test_a_failure_leaves_all_or_nothing(
    data: Any,
    order: Any,
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: Any,
    at: Any,
    error: Any,
    expected: Any,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, failing(getattr(owner, name), at, error))
        with pytest.raises(expected) as raised:
            finish(data, order, signer)
    if expected is Unavailable:
        assert str(raised.value) == "data directory: the disk is full"
    # Only the last step comes after the renaming.
    assert os.listdir(data.download) == (["17"] if (name, at) == ("fsync", 2) else [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_progress_that_raises_leaves_nothing(data: Any, order: Any, signer: Signer, error: Any, at: Any) -> None:
    with pytest.raises(error):
        builder.build(data, "17", order, signer, failing(lambda *_: None, at, error()))
    assert os.listdir(data.download) == []


class _NoMd5:
    def update(self, _block: Any) -> None:
        raise MemoryError


def test_what_fails_in_the_other_thread_fails_the_build(
    data: Any, order: Any, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "new_hash", lambda _digest: _NoMd5())
    with pytest.raises(MemoryError):
        builder.build(data, "17", order, signer)
    assert os.listdir(data.download) == []


@pytest.mark.parametrize("sync", [False, True])
def test_what_is_discarded_is_gone(data: Any, order: Any, signer: Signer, sync: Any) -> None:
    built = builder.build(data, "17", order, signer)
    if sync:
        built.sync()
    assert len(os.listdir(data.download)) == 1
    built.discard()
    assert os.listdir(data.download) == []
    built.discard()


def test_what_is_published_is_not_discarded_any_more(data: Any, order: Any, signer: Signer) -> None:
    built = builder.build(data, "17", order, signer)
    built.publish()
    held = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not [name for name in held if name.startswith(str(data.root))]
    built.discard()
    assert os.listdir(data.download) == ["17"]


def test_a_package_that_is_there_is_not_replaced(
    data: Any, order: Any, publish: Any, signer: Signer, snapshot: Any
) -> None:
    publish("17")
    before = snapshot(data.root)
    order.source.write_bytes(b"another")
    built = builder.build(data, "17", order, signer)
    with pytest.raises(FileExistsError):
        built.publish()
    built.discard()
    assert snapshot(data.root) == before


def test_publishing_takes_no_longer_for_many_fragments(
    data: Any, order: Any, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order.source.write_bytes(random.Random(1).randbytes(50_000))
    built = builder.build(data, "17", order, signer)
    built.sync()
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(atomic.os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    built.publish()
    assert [Path(name).name.partition("-")[0] for name in synced] == [".building", "download"]


@pytest.mark.parametrize("by_bytes", [1, -1])
def test_a_ready_archive_that_changes_while_it_is_cut_leaves_nothing(
    tmp_path: Path, data: Any, order: Any, signer: Signer, monkeypatch: pytest.MonkeyPatch, by_bytes: Any
) -> None:
    monkeypatch.setattr(hashing, "BLOCK_BYTES", 64)  # not all is read when the first fragment is written
    source = tmp_path / "x.zip"
    archive.pack(order.source, source, OperatingSystem.WINDOWS, None)

    def change(_done: Any, _total: Any) -> None:
        os.truncate(source, size_bytes + by_bytes)

    size_bytes = source.stat().st_size
    with pytest.raises(BadInput, match="FILE: expected a file that does not change while it is read"):
        builder.build(data, "17", dataclasses.replace(order, source=source), signer, change)
    assert os.listdir(data.download) == []


# Builds the same package again and again, each time in a process that is killed one event later than the last: events
# are those of the interpreter's audit (a file opened, renamed, removed…), each write and each fsync. Prints what it
# then finds, a line a process.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from distd.domain.fragment_plan import BySize
from distd.domain.records import Action, OperatingSystem
from distd.packaging import builder as build
from distd.storage import atomic as files, pki as keys
from distd.packaging.order import Order
from distd.storage.data_dir import DataDir

site, data, source = DataDir(Path(sys.argv[1])), DataDir(Path(sys.argv[2])), Path(sys.argv[3])
signer = keys.load_signer(site.keys)
order = Order(source, OperatingSystem.LINUX, 5, Action.STORE, "/opt/x", plan=BySize(1024))


def audited(function):
    return lambda *args: (sys.audit("step"), function(*args))[1]


def run(deadline):
    events = iter(range(deadline))
    os.write, os.fsync = audited(os.write), audited(os.fsync)
    sys.addaudithook(lambda *_: next(events, None) is None and signal.raise_signal(signal.SIGKILL))
    built = build.build(data, str(deadline), order, signer)
    built.sync()
    built.publish()
    os._exit(0)


deadline, status = 0, None
while status != 0:
    deadline += 1
    child = os.fork()
    if child == 0:
        run(deadline)
    status = os.waitpid(child, 0)[1]
    left = sorted(path.name for path in data.download.iterdir())
    files.sweep(data.download)
    swept = sorted(path.name for path in data.download.iterdir())
    print(json.dumps([deadline, status, left, swept]))
"""


def test_killed_at_any_moment_a_builder_leaves_nothing_half(
    site_keys: DataDir, data: Any, order: Any, ca: x509.Certificate
) -> None:
    command = [sys.executable, "-c", KILLED, site_keys.root, data.root, order.source]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rounds) > 50
    assert [status for _, status, _, _ in rounds] == [9] * (len(rounds) - 1) + [0]
    assert any(name.startswith(atomic.BUILDING) for _, _, left, _ in rounds for name in left)
    published = [str(deadline) for deadline, _, left, _ in rounds if str(deadline) in left]
    assert len(published) > 1  # dead after the renaming, and not dead at all
    for deadline, _, _, swept in rounds:
        # The builds of later rounds must be whole too, those of earlier ones still there.
        assert swept == sorted(name for name in published if int(name) <= deadline)
    for package_id in published:
        assert verify(DataDir(data.root), package_id, ca) == {}
