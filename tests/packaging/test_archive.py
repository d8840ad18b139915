"""Archives: the same input gives the same bytes, the real tar and unzip read them, and what changes is named."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.records import OperatingSystem
from distd.packaging import archive
from distd.packaging.source_files import find_members

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.packaging.progress import Progress
    from tests.fixtures.package_dirs import Snapshot

    Pack = Callable[..., bytes]
    Unpack = Callable[[bytes, OperatingSystem], Path]

UNIX, WINDOWS = OperatingSystem.LINUX, OperatingSystem.WINDOWS
UNPACK = {UNIX: ["tar", "-xzf"], WINDOWS: ["unzip", "-q"]}

FILES = {
    "README": b"read me\n",
    "empty": b"",
    "bin/run.sh": b"#!/bin/sh\n",
    "bin/big": bytes(range(256)) * 5000,
    "data/ünïcödé – ☃.txt": b"snow",
    "data/with space": b" ",
    f"deep/{'/'.join('abcdefgh')}/{'long' * 40}": b"long names need more than the oldest tar has",
    ".hidden": b"dot",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files of all kinds, an empty folder, a program."""
    root = tmp_path / "tree"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "nothing here").mkdir()
    (root / "bin/run.sh").chmod(0o755)
    return root


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    def pack(source: Path, system: OperatingSystem = UNIX, progress: Progress | None = None) -> bytes:
        out = tmp_path / "out"
        archive.pack(find_members(source, links=system is UNIX), out, system, progress)
        return out.read_bytes()

    return pack


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    """Unpacks with the programs that stock agents use."""

    def unpack(content: bytes, system: OperatingSystem) -> Path:
        (tmp_path / "content").write_bytes(content)
        folder = tmp_path / "unpacked"
        folder.mkdir()
        subprocess.run([*UNPACK[system], tmp_path / "content"], cwd=folder, check=True, env=os.environ | UTF8)
        return folder

    return unpack


UTF8 = {"LC_ALL": "C.UTF-8"}

both = pytest.mark.parametrize("system", [UNIX, WINDOWS])


@both
def test_what_is_packed_is_unpacked_by_the_real_programs(
    tree: Path, pack: Pack, unpack: Unpack, snapshot: Callable[[Path], Snapshot], system: OperatingSystem
) -> None:
    assert snapshot(unpack(pack(tree, system), system)) == snapshot(tree)


@pytest.mark.parametrize("system", [UNIX, OperatingSystem.MACOS, OperatingSystem.OTHER])
def test_a_unix_gets_a_tar_gz(tree: Path, pack: Pack, system: OperatingSystem) -> None:
    assert pack(tree, system)[:2] == b"\x1f\x8b"


def test_windows_gets_a_zip(tree: Path, pack: Pack) -> None:
    assert pack(tree, WINDOWS)[:4] == b"PK\x03\x04"


@both
def test_a_file_becomes_an_archive_of_one_member_with_its_name(
    tmp_path: Path, pack: Pack, unpack: Unpack, system: OperatingSystem
) -> None:
    source = tmp_path / "setup 1.sh"
    source.write_bytes(b"#!/bin/sh\n")
    source.chmod(0o755)
    folder = unpack(pack(source, system), system)
    assert os.listdir(folder) == ["setup 1.sh"]
    assert (folder / "setup 1.sh").read_bytes() == b"#!/bin/sh\n"
    assert stat.S_IMODE((folder / "setup 1.sh").stat().st_mode) == 0o755


@both
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, tree: Path, pack: Pack, system: OperatingSystem) -> None:
    first = pack(tree, system)
    # The same again, written in another order, elsewhere, at other times.
    again = tmp_path / "elsewhere" / "again"
    again.mkdir(parents=True)
    (again / "nothing here").mkdir()
    for number, (name, content) in enumerate(sorted(FILES.items(), reverse=True)):
        (again / name).parent.mkdir(parents=True, exist_ok=True)
        (again / name).write_bytes(content)
        os.utime(again / name, (number, number))
    (again / "bin/run.sh").chmod(0o755)
    for folder in again.rglob("*"):
        os.utime(folder, (2_000_000_000, 2_000_000_000))
    assert pack(again, system) == first


@both
@pytest.mark.parametrize("change", ["name", "content", "mode"])
def test_another_input_gives_others(tree: Path, pack: Pack, system: OperatingSystem, change: str) -> None:
    first = pack(tree, system)
    match change:
        case "name":
            (tree / "README").rename(tree / "readme")
        case "content":
            (tree / "README").write_bytes(b"Read me\n")
        case "mode":
            (tree / "README").chmod(0o755)
    assert pack(tree, system) != first


def test_nothing_of_this_machine_is_in_a_tar(tree: Path, pack: Pack) -> None:
    content = pack(tree)
    assert content[3:8] == bytes(5)  # gzip: no flags (so no name), no time
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {
        (0, 0, "", "", 315_532_800)
    }


def test_nothing_of_this_machine_is_in_a_zip(tree: Path, pack: Pack) -> None:
    with zipfile.ZipFile(io.BytesIO(pack(tree, WINDOWS))) as packed:
        entries = packed.infolist()
    assert [entry.filename.rstrip("/") for entry in entries] == sorted(e.filename.rstrip("/") for e in entries)
    assert {(entry.date_time, entry.create_system) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 3)}


@both
def test_progress_counts_the_bytes_to_the_last(tree: Path, pack: Pack, system: OperatingSystem) -> None:
    told: list[tuple[int, int]] = []
    pack(tree, system, lambda done, total: told.append((done, total)))
    total = sum(map(len, FILES.values()))
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_an_empty_folder(tmp_path: Path, pack: Pack, unpack: Unpack) -> None:
    (tmp_path / "tree").mkdir()
    assert zipfile.ZipFile(io.BytesIO(pack(tmp_path / "tree", WINDOWS))).namelist() == []
    assert os.listdir(unpack(pack(tmp_path / "tree"), UNIX)) == []


def test_links_are_kept_in_a_tar(tree: Path, pack: Pack, unpack: Unpack) -> None:
    (tree / "bin/link").symlink_to("../README")
    (tree / "folder").symlink_to("data")
    (tree / "dangling").symlink_to("not/there")
    folder = unpack(pack(tree), UNIX)
    assert os.readlink(folder / "bin/link") == "../README"
    assert os.readlink(folder / "folder") == "data"
    assert os.readlink(folder / "dangling") == "not/there"


# --- what changes while it is packed -----------------------------------------------------------------------------


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def become_link(path: Path) -> None:
    secret = path.parent.parent / "ca.key"
    secret.write_bytes(bytes(path.stat().st_size))
    path.unlink()
    path.symlink_to(secret)


def come_elsewhere(path: Path) -> None:
    """A folder on the way becomes a link."""
    other = path.parent.parent / "keys"
    other.mkdir()
    (other / path.name).write_bytes(bytes(path.stat().st_size))
    path.parent.rename(path.parent.parent / "away")
    path.parent.symlink_to(other)


CHANGES = {
    "becomes a link": (become_link, "files that do not change while they are read"),
    "comes from elsewhere": (come_elsewhere, "files that do not change while they are read"),
    "grows": (grow, "files that do not change while they are read"),
    "shrinks": (lambda path: os.truncate(path, 100), "files that do not change while they are read"),
    "goes": (Path.unlink, "a readable file"),
}


@both
@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_changes_meanwhile_is_named(
    tmp_path: Path, pack: Pack, system: OperatingSystem, change: Callable[[Path], object], expected: str
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_bytes(b"a" * 10)
    later = tmp_path / "tree" / "b"
    later.write_bytes(bytes(1000))
    changes = iter([lambda: change(later)])  # once, when the first file is read

    def progress(_done: int, _total: int) -> None:
        next(changes, lambda: None)()

    with pytest.raises(BadInput, match=f"source: expected {expected}, got .*tree/b"):
        pack(tmp_path / "tree", system, progress)


@both
def test_a_disk_that_fails_under_the_source_is_named(
    tree: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch, system: OperatingSystem
) -> None:
    class Failing(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(archive, "open_member", lambda _member: Failing())
    with pytest.raises(BadInput, match=r"source: expected a readable file, got .*: Input/output error"):
        pack(tree, system)


@both
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    members=st.dictionaries(
        st.text(st.characters(exclude_characters="/\0\\", codec="utf-8"), min_size=1, max_size=40).filter(
            lambda name: name not in (".", "..") and len(name.encode()) < 200
        ),
        st.binary(max_size=300),
        min_size=1,
        max_size=5,
    )
)
def test_any_names_and_contents_come_back(tmp_path: Path, system: OperatingSystem, members: dict[str, bytes]) -> None:
    root = tmp_path / "tree"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name, content in members.items():
        (root / name).write_bytes(content)
    archive.pack(find_members(root, links=True), tmp_path / "out", system, None)
    if system is WINDOWS:
        with zipfile.ZipFile(tmp_path / "out") as packed:
            found = {entry.filename: packed.read(entry) for entry in packed.infolist()}
    else:
        with tarfile.open(tmp_path / "out") as tar:
            files = {entry.name: tar.extractfile(entry) for entry in tar}
            found = {name: file.read() for name, file in files.items() if file is not None}
    assert found == members
