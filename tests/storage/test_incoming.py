"""Fragments that come to a mirror: verified before they count, resumed, put together into a package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from distd.domain.errors import Corrupt
from distd.domain.records import Fragment
from distd.packaging.verify import verify
from distd.storage import package_dirs
from distd.storage.data_dir import DataDir
from distd.storage.fragment_store import FragmentStore
from distd.storage.incoming import IncomingFragments, assemble, check_info, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from distd.domain.records import Manifest
    from tests.fixtures.package_dirs import PackageToBuild

HELLO = Fragment(1, 5, blake3(b"hello").digest())


@pytest.fixture
def mirror(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "mirror")
    data.download.mkdir(parents=True)
    (data.root / "incoming").mkdir()
    return data


@pytest.fixture
def incoming(mirror: DataDir) -> IncomingFragments:
    return IncomingFragments(mirror, mirror.root / "incoming")


def receive(incoming: IncomingFragments, fragment: Fragment, *pieces: bytes) -> None:
    with incoming.open(fragment) as part:
        part.append(pieces)
        incoming.accept(part)


def test_a_fragment_is_here_once_it_is_verified(incoming: IncomingFragments) -> None:
    with incoming.open(HELLO) as part:
        part.append([b"hel", b"lo"])
        assert not incoming.has(HELLO)
        incoming.accept(part)
    assert incoming.has(HELLO)
    assert incoming.path(HELLO).read_bytes() == b"hello"


def test_it_is_resumed_by_another_process(mirror: DataDir, incoming: IncomingFragments) -> None:
    with incoming.open(HELLO) as part:
        part.append([b"hel"])
    again = IncomingFragments(mirror, mirror.root / "incoming")
    with again.open(HELLO) as part:
        assert part.size_bytes == 3
        part.append([b"lo"])
        again.accept(part)
    assert again.has(HELLO)


@pytest.mark.parametrize("content", [b"hell", b"hallo"])
def test_another_content_is_thrown_away(incoming: IncomingFragments, content: bytes) -> None:
    with incoming.open(HELLO) as part:
        part.append([content])
        with pytest.raises(Corrupt, match=f"expected 5 bytes, {HELLO.blake3.hex()}, got {len(content)} bytes"):
            incoming.accept(part)
        assert part.size_bytes == 0
    assert not incoming.has(HELLO)


def test_too_many_bytes_are_refused(incoming: IncomingFragments) -> None:
    with incoming.open(HELLO) as part, pytest.raises(Corrupt, match="expected 5 bytes, got more"):
        part.append([b"hello", b"!"])


@pytest.mark.parametrize(("content", "found"), [(b"hello", True), (b"hallo", False)])
def test_what_an_earlier_process_left_is_hashed(incoming: IncomingFragments, content: bytes, found: bool) -> None:
    incoming.path(HELLO).write_bytes(content)
    assert incoming.has(HELLO) is found


@pytest.mark.parametrize(("content", "found"), [(b"hello", True), (b"hallo", False)])
def test_what_the_content_store_has_need_not_come(
    mirror: DataDir, incoming: IncomingFragments, content: bytes, found: bool
) -> None:
    stored = FragmentStore(mirror.fragments).path(HELLO.blake3)
    stored.parent.mkdir(parents=True)
    stored.write_bytes(content)
    assert incoming.has(HELLO) is found
    assert incoming.path(HELLO).exists() is found


def test_what_is_not_wanted_any_more_is_removed(mirror: DataDir, incoming: IncomingFragments) -> None:
    other = Fragment(2, 3, blake3(b"abc").digest())
    receive(incoming, HELLO, b"hello")
    incoming.open(other).close()
    incoming.remove_unwanted([HELLO.blake3])
    assert os.listdir(mirror.root / "incoming") == [HELLO.blake3.hex()]
    incoming.forget([HELLO])
    assert not incoming.has(HELLO)
    assert os.listdir(mirror.root / "incoming") == []


def _receive_all(incoming: IncomingFragments, manifest: Manifest, folder: Path) -> None:
    for fragment in manifest.fragments:
        receive(incoming, fragment, package_dirs.fragment_path(folder, fragment).read_bytes())


def test_a_package_is_put_together_and_replaces_the_version_before(
    mirror: DataDir, incoming: IncomingFragments, package: PackageToBuild, ca: x509.Certificate
) -> None:
    folder = package.publish()
    manifest = package_dirs.read_manifest(package.data, "17", ca)
    signed, info = (folder / "manifest").read_bytes(), (folder / "info").read_bytes()
    for _ in range(2):
        _receive_all(incoming, manifest, folder)
        assemble(mirror, incoming, manifest, signed, info)
        assert verify(mirror, "17", ca) == {}
        assert os.listdir(mirror.root / "incoming") == []
        assert os.listdir(mirror.download) == ["17"]
    assert FragmentStore(mirror.fragments).used_bytes() == manifest.size


def test_a_package_that_lacks_a_fragment_is_not_put_together(
    mirror: DataDir, incoming: IncomingFragments, package: PackageToBuild, ca: x509.Certificate
) -> None:
    folder = package.publish()
    manifest = package_dirs.read_manifest(package.data, "17", ca)
    with pytest.raises(FileNotFoundError):
        assemble(mirror, incoming, manifest, b"", (folder / "info").read_bytes())
    assert os.listdir(mirror.download) == []


def test_only_what_was_signed_counts(package: PackageToBuild, ca: x509.Certificate) -> None:
    folder = package.publish()
    signed, info = (folder / "manifest").read_bytes(), (folder / "info").read_bytes()
    manifest = read_manifest(signed, "17", 1, ca)
    check_info(manifest, info)
    with pytest.raises(Corrupt, match="info of 17: expected "):
        check_info(manifest, info + b" ")
    for package_id, version in (("18", 1), ("17", 2)):
        with pytest.raises(Corrupt, match=f"manifest: expected {package_id}, version {version}, got 17, version 1"):
            read_manifest(signed, package_id, version, ca)
