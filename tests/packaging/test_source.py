"""Sources: of what kind they are, what they hold, what is refused. Any bytes at all are bad input at most."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import shutil
import socket
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.package_spec import NO_SOURCE, SourceKind
from distd.packaging import source_files
from distd.packaging.source import Source, read_source
from distd.packaging.source_files import find_members

if TYPE_CHECKING:
    from collections.abc import Callable


def tar_gz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


# Bytes that do not shrink: what is cut off or changed stands far behind the first member.
BULK = random.Random(1).randbytes(2**18)

KINDS = {
    "a tar.gz": (tar_gz(a=b"a"), SourceKind.TAR_GZ),
    "a zip": (zipped(a=b"a"), SourceKind.ZIP),
    "a zip that stores": (zipped(a=b""), SourceKind.ZIP),
    "a zip of nothing": (zipped(), SourceKind.ZIP),
    "nothing": (b"", None),
    "a text": (b"hello\n" * 1000, None),
    "zeros": (bytes(100_000), None),
    "a gzip of no tar": (gzip.compress(b"hello" * 1000), None),
    "a plain tar": (gzip.decompress(tar_gz(a=b"a")), None),
    "a tar.gz of nothing": (tar_gz(), None),
    "the start of a tar.gz": (tar_gz(a=b"a")[:30], None),
    "the start of a zip": (zipped(a=BULK)[:-30], None),
    "a zip without its directory": (zipped(a=b"a")[:40], None),
}


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])  # stock agents try both, whatever the name
@pytest.mark.parametrize(("content", "kind"), KINDS.values(), ids=KINDS)
def test_what_has_the_name_of_an_archive(tmp_path: Path, name: str, content: bytes, kind: SourceKind | None) -> None:
    (tmp_path / name).write_bytes(content)
    if kind is None:
        with pytest.raises(BadInput, match=r"source: expected a zip or tar\.gz archive, as its name says, got "):
            read_source(tmp_path / name)
    else:
        facts = read_source(tmp_path / name).facts
        assert (facts.kind, facts.is_archive, facts.size_bytes) == (kind, True, len(content))


def test_an_encrypted_zip_is_none_that_an_agent_unpacks(tmp_path: Path) -> None:
    content = bytearray(zipped(a=b"a"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(BadInput, match="as its name says"):
        read_source(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.zip", SourceKind.ZIP),
        ("X.ZIP", SourceKind.ZIP),
        ("x.tgz", SourceKind.ZIP),
        ("x-1.0-py3-none-any.whl", SourceKind.FILE),
        ("x.jar", SourceKind.FILE),
        ("x.docx", SourceKind.FILE),
        ("x", SourceKind.FILE),
        ("zip", SourceKind.FILE),
    ],
)
def test_an_archive_of_another_name_is_a_file(tmp_path: Path, name: str, kind: SourceKind) -> None:
    (tmp_path / name).write_bytes(zipped(a=b"a"))
    assert read_source(tmp_path / name).facts.kind is kind


def test_a_folder_with_an_archives_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.zip").mkdir()
    assert read_source(tmp_path / "x.zip").facts.kind is SourceKind.FOLDER


def test_nothing_is_a_source_too() -> None:
    assert read_source(None) == Source(NO_SOURCE)


def test_a_file_is_a_script_where_one_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"echo")
    assert read_source(tmp_path / "x", is_script=True).facts.kind is SourceKind.SCRIPT


# --- what is in it -----------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with two files, one of them deep, and an empty folder."""
    root = tmp_path / "tree"
    (root / "data").mkdir(parents=True)
    (root / ".empty").mkdir()
    (root / "README").write_bytes(b"read me")
    (root / "data" / "a file").write_bytes(b"abc")
    return root


def test_what_a_folder_holds(tree: Path) -> None:
    source = read_source(tree)
    facts = source.facts
    assert [member.name for member in source.members] == [".empty", "README", "data", "data/a file"]
    assert (facts.name, facts.size_bytes) == (str(tree), 10)
    assert facts.file_names == {"README", "data/a file"}
    assert (facts.top_names, facts.hidden_names) == ((".empty", "README", "data"), [".empty"])


@pytest.mark.parametrize("form", ["gztar", "zip"])  # the former has names such as "./README"
def test_what_an_archive_holds(tree: Path, form: str) -> None:
    source = read_source(Path(shutil.make_archive(f"{tree}-packed", form, tree)))
    assert source.facts.file_names == {"README", "data/a file"}
    assert source.members == ()


# --- what does not belong in one ---------------------------------------------------------------------------------


def test_links_that_stay_inside_are_members(tree: Path) -> None:
    (tree / "data" / "link").symlink_to("../README")
    (tree / "dangling").symlink_to("not/there")
    targets = {member.name: member.link_target for member in find_members(tree, links=True) if member.link_target}
    assert targets == {"data/link": "../README", "dangling": "not/there"}


@pytest.mark.parametrize("target", ["/etc/passwd", "..", "../tree2", "../../x", "data/../../x"])
def test_links_that_lead_out_are_refused(tree: Path, target: str) -> None:
    (tree / "link").symlink_to(target)
    with pytest.raises(BadInput, match=r"source: expected links that stay inside the folder, got .*tree/link → "):
        read_source(tree)


def test_links_are_refused_where_there_may_be_none(tree: Path) -> None:
    (tree / "link").symlink_to("README")
    with pytest.raises(BadInput, match=r"source: expected no links in a zip for Windows, got .*tree/link → README"):
        read_source(tree, links=False)


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(path))  # the length of its address is limited


@pytest.mark.parametrize("make", [a_fifo, a_socket])
def test_what_is_no_file_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]) -> None:
    monkeypatch.chdir(tree)
    make(tree / "data" / "odd")
    with pytest.raises(BadInput, match=r"source: expected files, folders and links only, got .*tree/data/odd"):
        read_source(tree)


def test_an_unreadable_file_deep_in_the_folder_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> Any:
        if os.fspath(path) == "a file":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadInput, match=r"source: expected a readable file, got .*tree/data/a file: Permission denied"):
        read_source(tree)


def test_an_unreadable_folder_deep_in_the_folder_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> Any:
        if os.fspath(path) == "data":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadInput, match=r"source: expected a readable folder, got .*data: Permission denied"):
        read_source(tree)


def test_a_folder_that_becomes_a_link_while_it_is_found_is_not_followed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ca.key").write_text("secret")
    find_below = source_files._find_below

    def swap(root: Path, path: Path, *args: Any, **kwargs: Any) -> Any:
        found = find_below(root, path, *args, **kwargs)
        if path.name == "data":
            path.rename(tmp_path / "away")
            path.symlink_to(tmp_path / "keys")
        return found

    monkeypatch.setattr(source_files, "_find_below", swap)
    with pytest.raises(
        BadInput, match=r"source: expected files that do not change while they are read, got .*tree/data"
    ):
        read_source(tree)


def test_too_many_folders_within_each_other(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_files, "MAX_DEPTH", 2)
    (tree / "1/2").mkdir(parents=True)
    assert read_source(tree).members
    (tree / "1/2/3").mkdir()
    with pytest.raises(BadInput, match=r"source: expected at most 2 folders within each other, got .*1/2/3"):
        read_source(tree)


def test_a_name_that_is_no_utf8_is_named(tree: Path) -> None:
    (tree / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(BadInput, match=r"source: expected names in UTF-8, got .*caf"):
        read_source(tree)


# --- broken archives ---------------------------------------------------------------------------------------------

WHOLE = tar_gz(a=b"a", b=BULK)


def without_end(content: bytes) -> bytes:
    """Gzip that goes on with what is no deflate."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 32


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WHOLE[: len(WHOLE) // 2], id="half"),
        pytest.param(WHOLE[:-1], id="a byte less"),
        pytest.param(WHOLE[:-8], id="no checksum"),
        pytest.param(WHOLE[:-8] + bytes(4) + WHOLE[-4:], id="another checksum"),
        pytest.param(WHOLE[:-20] + bytes(20), id="another end"),
        pytest.param(without_end(gzip.decompress(tar_gz(a=b"a")) + bytes(2**20)), id="no deflate any more"),
    ],
)
def test_a_tar_gz_that_is_not_whole(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(BadInput, match=r"source: expected a whole archive, got .*x\.tar\.gz: "):
        read_source(tmp_path / "x.tar.gz")


@pytest.mark.parametrize("content", [zipped(a=b"a", b=BULK), tar_gz(a=b"a", b=BULK[:5000])], ids=["zip", "tar.gz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_archive_is_bad_input_at_most(tmp_path: Path, content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        # Near either end: there the structure is.
        place = data.draw(st.integers(0, 200)) * data.draw(st.sampled_from([1, -1]))
        damaged[place] = data.draw(st.integers(0, 255))
    (tmp_path / "x.zip").write_bytes(damaged)
    try:
        assert read_source(tmp_path / "x.zip").facts.is_archive
    except BadInput as error:
        assert error.field == "source"  # noqa: PT017
