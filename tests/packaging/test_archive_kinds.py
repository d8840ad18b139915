"""What is an archive: what says so and is so. Whatever the bytes are, they are bad input at most."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.packaging import archive

if TYPE_CHECKING:
    from pathlib import Path


def tar_gz(**members: Any) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def zipped(**members: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


# Bytes that do not shrink: what is cut off or changed stands far behind the first member.
BULK = random.Random(1).randbytes(2**18)

KINDS = {
    "a tar.gz": (tar_gz(a=b"a"), "tar.gz"),
    "a zip": (zipped(a=b"a"), "zip"),
    "a zip that stores": (zipped(a=b""), "zip"),
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


@pytest.mark.parametrize(("content", "kind"), KINDS.values(), ids=KINDS)
def test_kinds(tmp_path: Path, content: Any, kind: Any) -> None:
    (tmp_path / "x").write_bytes(content)
    assert archive.kind_of(tmp_path / "x") == kind


def test_an_encrypted_zip_is_none_that_an_agent_unpacks(tmp_path: Path) -> None:
    content = bytearray(zipped(a=b"a"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "x").write_bytes(content)
    assert archive.kind_of(tmp_path / "x") is None


def test_what_is_not_there_or_a_folder_is_no_archive(tmp_path: Path) -> None:
    assert archive.kind_of(tmp_path / "missing") is None
    assert archive.kind_of(tmp_path) is None


READY = {
    "x.zip": (zipped(a=b"a"), True),
    "X.ZIP": (zipped(a=b"a"), True),
    "x.tar.gz": (tar_gz(a=b"a"), True),
    "x.tgz": (tar_gz(a=b"a"), True),
    "tar.gz that says zip.zip": (tar_gz(a=b"a"), True),  # stock agents try both
    "x-1.0-py3-none-any.whl": (zipped(a=b"a"), False),
    "x.jar": (zipped(a=b"a"), False),
    "x.docx": (zipped(a=b"a"), False),
    "x": (tar_gz(a=b"a"), False),
    "zip": (zipped(a=b"a"), False),
    "no.zip": (b"no zip", False),
    "no.tar.gz": (b"", False),
}


@pytest.mark.parametrize(("name", "content", "ready"), [(name, *row) for name, row in READY.items()], ids=READY)
def test_only_what_says_so_and_is_so_goes_as_it_is(tmp_path: Path, name: Any, content: Any, ready: Any) -> None:
    (tmp_path / name).write_bytes(content)
    assert archive.is_ready(tmp_path / name) is ready


def test_a_folder_with_an_archives_name_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.zip").mkdir()
    assert not archive.is_ready(tmp_path / "x.zip")


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
def test_a_tar_gz_that_is_not_whole(tmp_path: Path, content: Any) -> None:
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(BadInput, match=r"FILE: expected a whole archive, got .*x\.tar\.gz: "):
        archive.file_names(tmp_path / "x.tar.gz", "tar.gz")


@pytest.mark.parametrize("content", [zipped(a=b"a", b=BULK), tar_gz(a=b"a", b=BULK[:5000])], ids=["zip", "tar.gz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_archive_is_bad_input_at_most(tmp_path: Path, content: Any, data: Any) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        # Near either end: there the structure is.
        place = data.draw(st.integers(0, 200)) * data.draw(st.sampled_from([1, -1]))
        damaged[place] = data.draw(st.integers(0, 255))
    (tmp_path / "x").write_bytes(damaged)
    kind = archive.kind_of(tmp_path / "x")
    if kind is not None:
        try:
            archive.file_names(tmp_path / "x", kind)
        except BadInput as error:
            assert error.field == "FILE"  # noqa: PT017
