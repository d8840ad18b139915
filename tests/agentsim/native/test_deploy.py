"""What may come out of an archive, and what is done with it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
import trio
from blake3 import blake3

from agentsim.native import deploy
from agentsim.native.state import Folder
from distd.domain.errors import Corrupt
from distd.domain.records import Action, Fragment, Info, Manifest
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path


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
