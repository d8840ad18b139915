"""Manifests and infos from sources that need not be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import Corrupt, Unavailable
from distd.storage import pki
from distd.storage.data_dir import DataDir
from redistrib import manifests as module
from redistrib.download import Downloader, Traffic
from redistrib.manifests import ManifestFetcher
from tests.fixtures.client import FakeClient, Reply
from tests.redistrib.fakes import make_package

if TYPE_CHECKING:
    from pathlib import Path

    import trio.testing
    from cryptography import x509

    from distd.storage.pki import Signer


def make(client: FakeClient, ca: x509.Certificate, *sources: str) -> ManifestFetcher:
    return ManifestFetcher(Downloader(client, Traffic()), lambda: sources, ca)


async def test_it_is_fetched_checked_and_remembered(signer: Signer, ca: x509.Certificate) -> None:
    client, package = FakeClient(), make_package(signer, "17", b"abc")
    package.serve(client, "http://a")
    manifests = make(client, ca, "http://a")
    described = await manifests.fetch("17", 1)
    assert (described.manifest, described.signed, described.info) == (package.manifest, package.signed, package.info)
    assert await manifests.fetch("17", 1) is described
    assert len(client.requests) == 2
    manifests.forget("17")
    await manifests.fetch("17", 1)
    assert len(client.requests) == 4


async def test_another_version_is_fetched_anew(signer: Signer, ca: x509.Certificate) -> None:
    client = FakeClient()
    manifests = make(client, ca, "http://a")
    make_package(signer, "17", b"abc").serve(client, "http://a")
    await manifests.fetch("17", 1)
    make_package(signer, "17", b"abc", version=2).serve(client, "http://a")
    assert (await manifests.fetch("17", 2)).manifest.version == 2


async def test_only_so_many_are_remembered(
    signer: Signer, ca: x509.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    client = FakeClient()
    manifests = make(client, ca, "http://a")
    for package_id in ("17", "18", "19", "17"):
        make_package(signer, package_id, b"abc").serve(client, "http://a")
        await manifests.fetch(package_id, 1)
    assert len(client.requests) == 8


async def test_after_a_wrong_answer_the_next_source_is_asked(
    signer: Signer, ca: x509.Certificate, tmp_path: Path
) -> None:
    other = DataDir(tmp_path)
    other.keys.mkdir()
    pki.create_keys(other.keys, other.ca_certificate, ["other.example"])
    client, good = FakeClient(), make_package(signer, "17", b"abc", version=2)
    make_package(pki.load_signer(other.keys), "17", b"abc", version=2).serve(client, "http://other-ca")
    make_package(signer, "17", b"abc").serve(client, "http://old")
    client.handlers["http://other-package/17"] = lambda request: Reply(
        200, [make_package(signer, "18", b"abc", version=2).signed]
    )
    client.handlers["http://away"] = lambda request: Reply(503)
    good.serve(client, "http://other-info")
    client.handlers["http://other-info/17/info"] = lambda request: Reply(200, [good.info.replace(b"/tmp/x", b"/tmp/y")])
    sources = ["http://other-ca", "http://old", "http://other-package", "http://away", "http://other-info"]
    with pytest.raises(Corrupt, match="info of 17"):
        await make(client, ca, *sources).fetch("17", 2)
    good.serve(client, "http://good")
    assert (await make(client, ca, *sources, "http://good").fetch("17", 2)).info == good.info


async def test_without_a_source_it_is_unavailable(ca: x509.Certificate) -> None:
    with pytest.raises(Unavailable, match="no source is known"):
        await make(FakeClient(), ca).fetch("17", 1)


async def test_a_source_that_stalls_is_passed_over(
    signer: Signer, ca: x509.Certificate, autojump_clock: trio.testing.MockClock
) -> None:
    client, package = FakeClient(), make_package(signer, "17", b"abc")
    client.handlers["http://slow"] = lambda request: Reply(200, [1e6, package.signed])
    package.serve(client, "http://good")
    assert (await make(client, ca, "http://slow", "http://good").fetch("17", 1)).info == package.info
