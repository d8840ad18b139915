"""What may come out of an archive, and what is done with it."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
import trio

from agentsim.native import deploy
from distd.domain.errors import BadInput
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path


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


def test_the_later_of_two_members_wins(tmp_path: Path) -> None:
    tree = unpack(tmp_path, tape(("x", FILE, "1", 0o644), ("x", FILE, "2", 0o644)))
    assert (tree / "x").read_text() == "2"


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


async def test_a_cancelled_command_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deploy.execute, tmp_path, "echo $$ > pid; sleep 600", tmp_path / "output", 600)
        await await_until(lambda: pid.exists() and pid.read_text(), "the command runs")
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
