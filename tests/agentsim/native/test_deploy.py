"""What may come out of an archive, and what is done with it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import tarfile
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
import trio
from blake3 import blake3

from agentsim.native import deploy
from agentsim.native.state import Folder
from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import Action, Fragment, Info, Manifest
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.disk_steps import Steps


def tape(*members: tuple[str, bytes, str, int]) -> bytes:
    """A tar.gz of (name, tar type, link name or content, mode)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as box:
        for name, kind, text, mode in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, mode
            data = text.encode() if kind == tarfile.REGTYPE else b""
            member.size, member.linkname = len(data), "" if data else text
            box.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(*members: tuple[str, str, int]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
        for name, text, mode in members:
            member = zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6))
            member.external_attr = mode << 16
            box.writestr(member, text)
    return out.getvalue()


FILE, FOLDER, LINK, HARD, DEVICE = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def unpack(tmp_path: Path, data: bytes) -> Path:
    archive, tree = tmp_path / "package", tmp_path / "tree"
    archive.write_bytes(data)
    tree.mkdir(exist_ok=True)
    with archive.open("rb") as file:
        deploy.unpack(file, tree)
    return tree


def test_a_tar_keeps_content_modes_and_links(tmp_path: Path) -> None:
    tree = unpack(
        tmp_path,
        tape(
            ("bin/", FOLDER, "", 0o750),
            ("bin/run", FILE, "#!", 0o755),
            ("doc/deep/x", FILE, "text", 0o640),
            ("bin/link", LINK, "../doc/deep/x", 0o777),
            ("bin/twin", HARD, "bin/run", 0o755),
        ),
    )
    assert (tree / "bin/run").read_text() == (tree / "bin/twin").read_text() == "#!"
    assert [stat.S_IMODE((tree / name).stat().st_mode) for name in ("bin", "bin/run", "doc/deep/x")] == [
        0o750,
        0o755,
        0o640,
    ]
    assert (tree / "bin/link").read_text() == "text"


def test_a_zip_keeps_content_modes_and_links(tmp_path: Path) -> None:
    tree = unpack(
        tmp_path,
        zipped(
            ("bin/", "", 0o40755),
            ("bin/run", "#!", 0o100755),
            ("plain", "text", 0o604),
            ("bin/link", "../plain", stat.S_IFLNK | 0o777),
        ),
    )
    assert (tree / "bin/link").read_text() == "text"
    assert [stat.S_IMODE((tree / name).stat().st_mode) for name in ("bin/run", "plain")] == [0o755, 0o604]


def test_what_a_zip_of_another_system_leaves_out(tmp_path: Path) -> None:
    """It may have no modes; and a time that cannot be."""
    file = zipfile.ZipInfo("a")
    assert deploy._zip_time_s(file) > 0
    file.date_time = (1980, 0, 0, 0, 0, 10**12)
    assert deploy._zip_time_s(file) == 0.0
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as box:
        member = zipfile.ZipInfo("a")
        member.external_attr = 0x20  # of DOS only
        box.writestr(member, "text")
    tree = unpack(tmp_path, out.getvalue())
    assert stat.S_IMODE((tree / "a").stat().st_mode) == 0o644


def test_the_folder_itself_may_be_a_member(tmp_path: Path) -> None:
    tree = unpack(tmp_path, tape(("./", FOLDER, "", 0o700), ("./a", FILE, "1", 0o644)))
    assert (tree / "a").read_text() == "1"


@pytest.mark.parametrize(
    "later", [("x", FILE, "2", 0o644), ("x", LINK, "y", 0o777), ("x", HARD, "y", 0o644)], ids=["file", "link", "hard"]
)
def test_the_later_of_two_members_wins(tmp_path: Path, later: tuple[str, bytes, str, int]) -> None:
    tree = unpack(tmp_path, tape(("x", FILE, "1", 0o644), ("y", FILE, "2", 0o644), later))
    assert (tree / "x").read_text() == "2"


def test_a_folder_may_be_named_twice(tmp_path: Path) -> None:
    tree = unpack(tmp_path, tape(("d/", FOLDER, "", 0o755), ("d/x", FILE, "1", 0o644), ("d/", FOLDER, "", 0o750)))
    assert (tree / "d/x").read_text() == "1"
    assert stat.S_IMODE((tree / "d").stat().st_mode) == 0o750


def test_files_keep_their_times(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as box:
        member = tarfile.TarInfo("tarred")
        member.mtime = 1_700_000_000
        box.addfile(member, io.BytesIO())
    assert (unpack(tmp_path, out.getvalue()) / "tarred").stat().st_mtime == 1_700_000_000
    tree = unpack(tmp_path, zipped(("zipped", "", 0o644)))
    # Zip has local time.
    assert time.localtime((tree / "zipped").stat().st_mtime)[:6] == (2020, 1, 2, 3, 4, 6)


def test_a_tar_that_ends_in_a_zip_is_a_tar(tmp_path: Path) -> None:
    """Not compressed, what is in it stands at its end as it is."""
    out = io.BytesIO()
    inner = zipped(("x", "of the zip", 0o644))
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=0) as box:
        member = tarfile.TarInfo("inner.zip")
        member.size = len(inner)
        box.addfile(member, io.BytesIO(inner))
    assert zipfile.is_zipfile(out)
    tree = unpack(tmp_path, out.getvalue())
    assert [path.name for path in tree.iterdir()] == ["inner.zip"]


EVIL = {
    "absolute": tape(("/etc/x", FILE, "x", 0o644)),
    "dots": tape(("../x", FILE, "x", 0o644)),
    "inner dots": tape(("a/../../x", FILE, "x", 0o644)),
    "link out": tape(("x", LINK, "../..", 0o777)),
    "absolute link": tape(("x", LINK, "/etc/passwd", 0o777)),
    "link out by two": tape(("b", LINK, ".", 0o777), ("c/d/x", LINK, "../../b/../..", 0o777)),
    "through a link": tape(("x", LINK, "..", 0o777), ("x/y", FILE, "x", 0o644)),
    "hard link out": tape(("x", HARD, "../package", 0o644)),
    "device": tape(("x", DEVICE, "", 0o644)),
    "zip absolute": zipped(("/etc/x", "x", 0)),
    "zip dots": zipped(("../x", "x", 0)),
    "zip link out": zipped(("x", "../..", stat.S_IFLNK)),
    "zip device": zipped(("x", "", stat.S_IFCHR)),
    "nothing": b"",
    "text": b"hello" * 100,
    "half a tar": tape(("x", FILE, "x" * 999, 0o644))[:-20],
    "half a zip": zipped(("x", "x" * 999, 0))[:-40],
    "file as folder": tape(("x", FILE, "1", 0o644), ("x/y", FILE, "2", 0o644)),
}


@pytest.mark.parametrize("data", EVIL.values(), ids=EVIL)
def test_a_bad_archive_writes_nothing_outside(tmp_path: Path, data: bytes) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises((BadInput, OSError)):
        unpack(home, data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
    assert sorted(path.name for path in home.iterdir()) == ["package", "tree"]


def test_store(tmp_path: Path) -> None:
    tree = unpack(tmp_path, tape(("a", FILE, "new", 0o755), ("d/e/f", FILE, "f", 0o644), ("d/l", LINK, "e/f", 0o777)))
    target = tmp_path / "srv" / "app"
    (target / "d").mkdir(parents=True)
    (target / "d").chmod(0o700)
    (target / "a").write_text("old")
    (target / "kept").write_text("mine")
    (target / "d/.l.distd-new").symlink_to("what a crash has left")
    for _ in range(2):
        deploy.store(tree, target)
        names = sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))
        assert names == ["a", "d", "d/e", "d/e/f", "d/l", "kept"]
        assert (target / "a").read_text() == "new"
        assert os.readlink(target / "d/l") == "e/f"
        assert stat.S_IMODE((target / "d").stat().st_mode) == 0o700


def test_folders_that_a_store_makes_have_the_modes_of_the_package(tmp_path: Path) -> None:
    tree = unpack(tmp_path, tape(("private/", FOLDER, "", 0o700), ("private/a", FILE, "1", 0o644)))
    deploy.store(tree, tmp_path / "srv")
    assert stat.S_IMODE((tmp_path / "srv/private").stat().st_mode) == 0o700


def test_what_was_stored_is_on_the_disk(tmp_path: Path, steps: Steps) -> None:
    """SUCCESS is reported next: a file has its name only when its bytes are there, and the names are there too."""
    tree = unpack(tmp_path, tape(("d/a", FILE, "1", 0o644), ("d/link", LINK, "a", 0o777)))
    deploy.store(tree, tmp_path / "srv")
    of_file = [("fsync", ".a.distd-new"), ("rename", "a")]
    assert [step for step in steps if step in of_file] == of_file
    in_folder = [step for step in steps if step in (("rename", "a"), ("rename", "link"), ("fsync", "d"))]
    assert (len(in_folder), in_folder[-1]) == (3, ("fsync", "d"))
    assert ("fsync", "srv") in steps


def test_a_store_that_finds_no_room_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = unpack(tmp_path, tape(("a", FILE, "new", 0o644)))
    target = tmp_path / "srv"
    target.mkdir()
    (target / "a").write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="no room"):
        deploy.store(tree, target)
    assert (target / "a").read_text() == "old"


@pytest.mark.parametrize(
    ("script", "command", "code"),
    [
        ("exit 0", "run.sh", "SUCCESS_0"),
        ("exit 3", "run.sh", "SUCCESS_3"),
        ('test "$1" = "two words" -a "$2" = b', "run.sh 'two words' b", "SUCCESS_0"),
        ("kill -9 $$", "run.sh", "SUCCESS_137"),
        ("test -f run.sh", "run.sh", "SUCCESS_0"),
        ("exit 0", "other.sh", "ERR_EXECUTE"),
        ("exit 0", "../run.sh", "ERR_EXECUTE"),
        ("exit 0", "/bin/true", "ERR_EXECUTE"),
        ("exit 0", "", "ERR_EXECUTE"),
        ("exit 0", "'unclosed", "ERR_EXECUTE"),
        ("sleep 60", "run.sh", "ERR_EXECUTE_TIMEOUT"),
    ],
)
async def test_launch(tmp_path: Path, script: str, command: str, code: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "run.sh").write_text(f"#!/bin/sh\n{script}\n")
    timeout_s = 0.1 if "TIMEOUT" in code else 120
    assert await deploy.launch(tree, command, tmp_path / "output", timeout_s) == code


async def test_what_is_launched_is_a_file_of_the_package(tmp_path: Path) -> None:
    """Also where the folder, however that came about, has a link to the outside."""
    tree = tmp_path / "tree"
    tree.mkdir()
    outside = tmp_path / "outside.sh"
    outside.write_text("#!/bin/sh\n")
    (tree / "run.sh").symlink_to(outside)
    assert await deploy.launch(tree, "run.sh", tmp_path / "output", 120) == "ERR_EXECUTE"
    assert not outside.stat().st_mode & 0o100


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("echo here > file", "SUCCESS"),
        ("exit 4", "ERR_EXECUTE"),
        ("nosuchcommand", "ERR_EXECUTE"),
        ("read x", "ERR_EXECUTE"),  # no input: it ends at once
        ("sleep 600", "ERR_EXECUTE_TIMEOUT"),
    ],
)
async def test_execute(tmp_path: Path, command: str, code: str) -> None:
    timeout_s = 0.1 if "TIMEOUT" in code else 120
    assert await deploy.execute(tmp_path, command, tmp_path / "output", timeout_s) == code
    assert (tmp_path / "file").exists() == ("file" in command)


CONTENTS = (b"first", b"second")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """With the fragments of a package as they came."""
    folder = Folder(tmp_path / "17")
    folder.path.mkdir()
    for number, content in enumerate(CONTENTS, 1):
        folder.fragment(number).write_bytes(content)
    return folder


def check(folder: Folder, digest: str = hashlib.md5(b"".join(CONTENTS)).hexdigest()) -> None:
    fragments = tuple(Fragment(n, len(content), blake3(content).digest()) for n, content in enumerate(CONTENTS, 1))
    manifest = Manifest("17", 1, sum(map(len, CONTENTS)), b"", b"", b"", b"", fragments)
    deploy.check(folder, Info("17", 5, Action.STORE, "/srv", 2, digest), manifest)


def test_a_package_as_it_was_described(folder: Folder) -> None:
    check(folder)
    with pytest.raises(Corrupt, match=r"package 17: expected 0{32}, got "):
        check(folder, "0" * 32)


@pytest.mark.parametrize("content", [b"secon", b"second+"], ids=["shorter", "longer"])
def test_the_last_fragment_has_become(folder: Folder, content: bytes) -> None:
    """Fewer or more bytes than there are in all; of an inner fragment they would make the next one wrong."""
    folder.fragment(2).write_bytes(content)
    with pytest.raises(Corrupt, match="package 17: expected 11 bytes, got fewer or more"):
        check(folder)


async def test_a_cancelled_command_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deploy.execute, tmp_path, "echo $$ > pid; sleep 600", tmp_path / "output", 600)
        await await_until(lambda: pid.exists() and pid.read_text(), "the command runs")
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
