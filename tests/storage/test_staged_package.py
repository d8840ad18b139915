"""A complete package in a hidden folder: it gets its name, or nothing is left of it."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from distd.domain.records import Fragment, Manifest
from distd.packaging.verify import verify
from distd.storage import atomic
from distd.storage.fragment_store import FragmentStore
from distd.storage.staged_package import StagedPackage, sign_description

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from tests.fixtures.package_dirs import PackageToBuild, Snapshot

INFO = b"<DOWNLOAD />"


@pytest.fixture
def stage(data: DataDir, signer: Signer) -> Callable[..., StagedPackage]:
    """A package 17 of one fragment with this content."""

    def stage(content: bytes = b"content") -> StagedPackage:
        with ExitStack() as stack:
            folder = stack.enter_context(atomic.building(data.download, "17"))
            (folder / "17-1").write_bytes(content)
            fragment = Fragment(1, len(content), blake3(content).digest())
            manifest = Manifest("17", 1, len(content), b"", b"", b"", b"", (fragment,))
            manifest = sign_description(folder, INFO, manifest, signer)
            return StagedPackage(data, folder, manifest, stack.pop_all())

    return stage


def test_its_manifest_tells_what_it_is(stage: Callable[..., StagedPackage]) -> None:
    with stage() as staged:
        assert (staged.package_id, staged.size_bytes, staged.fragments) == ("17", 7, 1)
        assert staged.manifest.info_blake3 == blake3(INFO).digest()


@pytest.mark.parametrize("sync", [False, True])
def test_what_is_discarded_is_gone(data: DataDir, stage: Callable[..., StagedPackage], sync: bool) -> None:
    staged = stage()
    if sync:
        staged.sync()
    assert len(os.listdir(data.download)) == 1
    staged.discard()
    assert os.listdir(data.download) == []
    staged.discard()


def test_what_is_not_published_at_the_end_of_the_block_is_gone(
    data: DataDir, stage: Callable[..., StagedPackage]
) -> None:
    with stage() as staged:
        staged.sync()
    assert os.listdir(data.download) == []


def test_what_is_published_is_not_discarded_any_more(data: DataDir, stage: Callable[..., StagedPackage]) -> None:
    staged = stage()
    staged.publish()
    open_files = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not [name for name in open_files if name.startswith(str(data.root))]
    staged.discard()
    assert os.listdir(data.download) == ["17"]


def test_a_package_that_is_there_is_not_published_over(
    data: DataDir, stage: Callable[..., StagedPackage], snapshot: Callable[[Path], Snapshot]
) -> None:
    stage().publish()
    before = snapshot(data.root)
    with stage(b"another") as staged, pytest.raises(FileExistsError):
        staged.publish()
    assert snapshot(data.root) == before


def test_replaced_twice_it_is_as_it_was(data: DataDir, stage: Callable[..., StagedPackage]) -> None:
    stage(b"old").publish()
    with stage(b"new") as staged:
        staged.replace()
        assert (data.package("17") / "17-1").read_bytes() == b"new"
        staged.replace()
        assert (data.package("17") / "17-1").read_bytes() == b"old"
    assert os.listdir(data.download) == ["17"]


def test_it_gets_its_name_whether_there_is_one_before_or_not(
    data: DataDir, stage: Callable[..., StagedPackage]
) -> None:
    for content in (b"first", b"second"):
        with stage(content) as staged:
            staged.sync()
            staged.publish_or_replace()
        assert (data.package("17") / "17-1").read_bytes() == content
        assert os.listdir(data.download) == ["17"]


def test_its_fragments_are_linked_into_the_content_store(data: DataDir, stage: Callable[..., StagedPackage]) -> None:
    with stage() as staged:
        staged.sync()
        staged.publish()
    kept = FragmentStore(data.fragments).path(blake3(b"content").digest())
    assert kept.stat().st_ino == (data.package("17") / "17-1").stat().st_ino


def test_publishing_takes_no_longer_for_many_fragments(
    package: PackageToBuild, ca: x509.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.source.write_bytes(random.Random(1).randbytes(50_000))
    synced: list[str] = []
    fsync = os.fsync

    def record(fd: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name.partition("-")[0])
        fsync(fd)

    with package.build() as staged:
        assert staged.fragments > 40
        staged.sync()
        monkeypatch.setattr(os, "fsync", record)
        staged.publish()
    assert synced == [".building", "download"]
    assert verify(package.data, "17", ca) == {}
