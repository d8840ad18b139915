"""What is revoked counts at once where the CA's key is; elsewhere it waits until the CA has signed it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput, Corrupt
from distd.storage import pki, revoking
from distd.storage.data_dir import DataDir
from distd.storage.trust_file import load_trust

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(site_keys: DataDir, tmp_path: Path) -> DataDir:
    return DataDir(shutil.copytree(site_keys.root, tmp_path / "site"))


def revoked(site: DataDir) -> set[int]:
    return {*load_trust(site).revocations.serials}


def test_with_the_cas_key_it_counts_at_once(site: DataDir) -> None:
    assert revoking.revoke(site, [5, 6], 1000.0) == 1
    assert revoking.revoke(site, [5], 1000.0) == 1
    assert revoking.revoke(site, [7], 1000.0) == 2
    assert (revoked(site), revoking.pending(site)) == ({5, 6, 7}, [])


def test_without_it_waits_and_is_signed_elsewhere(site: DataDir, tmp_path: Path) -> None:
    revoking.revoke(site, [5], 1000.0)
    ca, ca_key = pki.load_ca(site.ca_certificate), pki.load_ca_key(site.keys / pki.CA_KEY)
    (site.keys / pki.CA_KEY).unlink()
    assert revoking.request(site) is None
    assert revoking.revoke(site, [6], 1000.0) == 0
    assert (revoked(site), [one.serial for one in revoking.pending(site)]) == ({5}, [6])
    request = revoking.request(site)
    assert request is not None
    revoking.revoke(site, [7], 1000.0)  # meanwhile
    pem, added = revoking.sign(request, ca, ca_key)
    assert (added, revoking.install(site, pem)) == ([6], 2)
    assert (revoked(site), [one.serial for one in revoking.pending(site)]) == ({5, 6}, [7])
    with pytest.raises(BadInput, match="an epoch after 2"):
        revoking.install(site, pem)


def test_a_crash_before_it_is_signed_loses_nothing(site: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(revoking, "next_list", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            revoking.revoke(site, [5], 1000.0)
    assert revoking.revoke(site, [6], 1000.0) == 1
    assert revoked(site) == {5, 6}


@pytest.mark.parametrize("content", [b"", b"{}", b'{"present": "x", "revoke": []}', b'{"present": "", "revoke": [1]}'])
def test_what_is_no_request_is_not_signed(site: DataDir, content: bytes) -> None:
    ca, ca_key = pki.load_ca(site.ca_certificate), pki.load_ca_key(site.keys / pki.CA_KEY)
    with pytest.raises((BadInput, Corrupt)):
        revoking.sign(content, ca, ca_key)
