"""What may come out of an archive."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from agentsim.native import unpack as module
from agentsim.native.unpack import DEFAULT_LIMITS, UnpackLimits
from agentsim.native.unpack import unpack as unpack_archive
from distd.domain.errors import BadInput

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


def unpack(tmp_path: Path, data: bytes, limits: UnpackLimits = DEFAULT_LIMITS) -> Path:
    archive, tree = tmp_path / "package", tmp_path / "tree"
    archive.write_bytes(data)
    tree.mkdir(exist_ok=True)
    with archive.open("rb") as file:
        unpack_archive(file, tree, limits)
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
    assert module._zip_time_s(file) > 0
    file.date_time = (1980, 0, 0, 0, 0, 10**12)
    assert module._zip_time_s(file) == 0.0
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


def test_modes_are_masked(tmp_path: Path) -> None:
    """No file runs as another user, none is writable by everybody."""
    tree = unpack(tmp_path, tape(("d", FOLDER, "", 0o1777), ("s", FILE, "x", 0o6755), ("w", FILE, "x", 0o666)))
    assert [stat.S_IMODE((tree / name).stat().st_mode) for name in ("d", "s", "w")] == [0o775, 0o755, 0o664]
    (tmp_path / "zip").mkdir()
    tree = unpack(tmp_path / "zip", zipped(("s", "x", 0o106755), ("w", "x", 0o100666)))
    assert [stat.S_IMODE((tree / name).stat().st_mode) for name in ("s", "w")] == [0o755, 0o664]


SMALL = UnpackLimits(size_bytes=10_000, ratio=1000, members=5)
FIVE = [(f"{number}", FILE, "x" * 1900, 0o644) for number in range(5)]
FIVE_ZIPPED = [(f"{number}", "x" * 1900, 0o644) for number in range(5)]


@pytest.mark.parametrize("data", [tape(*FIVE), zipped(*FIVE_ZIPPED)], ids=["tar", "zip"])
def test_what_is_within_the_limits_is_unpacked(tmp_path: Path, data: bytes) -> None:
    assert len(list(unpack(tmp_path, data, SMALL).iterdir())) == 5


LARGE = {
    "one file": tape(("x", FILE, "x" * 10_001, 0o644)),
    "all files": tape(*[(f"{number}", FILE, "x" * 2001, 0o644) for number in range(5)]),
    "members": tape(*[(f"{number}", FOLDER, "", 0o755) for number in range(6)]),
    "links": tape(*[(f"{number}", LINK, "x", 0o777) for number in range(6)]),
    "zip: one file": zipped(("x", "x" * 10_001, 0o644)),
    "zip: all files": zipped(*[(f"{number}", "x" * 2001, 0o644) for number in range(5)]),
    "zip: members": zipped(*[(f"{number}/", "", 0o40755) for number in range(6)]),
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_what_is_over_the_limits_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadInput, match=r"^package: expected at most .*, got more$"):
        unpack(tmp_path, data, SMALL)
    assert sum(path.stat().st_size for path in (tmp_path / "tree").rglob("*") if path.is_file()) <= 10_000


def test_a_small_archive_does_not_become_a_large_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANY_RATIO_BYTES", 1000)
    data = tape(("x", FILE, "x" * 100_000, 0o644))
    with pytest.raises(BadInput, match="when it is unpacked, got more"):
        unpack(tmp_path, data, UnpackLimits(ratio=10))
    assert unpack(tmp_path, data, UnpackLimits(ratio=1000)).is_dir()


def test_a_zip_that_says_too_little_is_refused(tmp_path: Path) -> None:
    """What a zip says of a member is written twice, and more may come than both say."""
    data = bytearray(zipped(("x", "x" * 10_001, 0o644)))
    for at in (22, data.rindex(b"PK\x01\x02") + 24):
        data[at : at + 4] = (5).to_bytes(4, "little")
    with pytest.raises(BadInput):
        unpack(tmp_path, bytes(data), SMALL)


def test_a_long_head_of_a_tar_is_not_read_into_memory(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, module.MAX_TAR_HEAD_BYTES + 512
    data = gzip.compress(member.tobuf(tarfile.USTAR_FORMAT) + bytes(member.size))
    with pytest.raises(BadInput, match="package: expected heads of at most"):
        unpack(tmp_path, data)


def test_a_tar_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    """Attributes for all members, again and again, are no members."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XGLTYPE, 512
    record = b"20 comment=12345678\n"
    data = gzip.compress((member.tobuf(tarfile.USTAR_FORMAT) + record + bytes(512 - len(record))) * 100)
    with pytest.raises(BadInput, match="a tar of at most"):
        unpack(tmp_path, data, SMALL)


def test_a_long_link_of_a_zip_is_not_read_into_memory(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="links of at most 4096 bytes"):
        unpack(tmp_path, zipped(("x", "x" * 4097, stat.S_IFLNK)))


@pytest.mark.parametrize("data", [tape(("x/" * 101, FOLDER, "", 0o755)), zipped(("x/" * 1000, "", 0o40755))])
def test_folders_in_each_other_are_limited(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadInput, match="at most 100 folders in each other"):
        unpack(tmp_path, data)
