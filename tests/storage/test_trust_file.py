"""The trust file on the disk: a later one is kept, an earlier one never; and TLS refuses what it revokes."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput, Corrupt
from distd.storage import pki
from distd.storage.trust_file import Revoked, TrustFile, load_trust, next_list
from distd.wire import trust as trust_format

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from distd.storage.data_dir import DataDir


@pytest.fixture
def lists(site_keys: DataDir) -> list[bytes]:
    """The trust files of epochs 1 to 3, with one certificate more in each."""
    ca, key = pki.load_ca(site_keys.ca_certificate), pki.load_ca_key(site_keys.keys / pki.CA_KEY)
    found = [b""]
    for number in (1, 2, 3):
        found.append(next_list(found[-1], ca, key, [Revoked(number, 1_700_000_000.0)]))
    return found[1:]


def test_a_later_one_is_kept_and_an_earlier_one_never(tmp_path: Path, ca: x509.Certificate, lists: list[bytes]) -> None:
    file = TrustFile(tmp_path / "trust.pem", ca)
    assert (file.epoch, file.pem) == (0, b"")
    assert file.take(lists[1])
    assert not file.take(lists[0])
    assert not file.take(lists[1])
    assert (file.epoch, {*file.trust.revocations.serials}) == (2, {1, 2})
    again = TrustFile(tmp_path / "trust.pem", ca)
    assert not again.take(lists[0])
    assert again.take(lists[2])
    assert file.read_again()
    assert not file.read_again()
    assert file.trust.revocations.serials == {1, 2, 3}


def test_the_list_is_later_in_its_date_too(ca: x509.Certificate, lists: list[bytes]) -> None:
    """OpenSSL goes by it."""
    dates = [trust_format.read_list(pem, ca).last_update_utc for pem in lists]
    assert dates == sorted(set(dates))


def test_one_that_the_ca_has_not_signed_changes_nothing(tmp_path: Path, ca: x509.Certificate) -> None:
    with pytest.raises(Corrupt):
        TrustFile(tmp_path / "trust.pem", ca).take(b"x")
    assert not (tmp_path / "trust.pem").exists()


def test_one_that_cannot_be_read_is_an_error(tmp_path: Path, ca: x509.Certificate) -> None:
    """Not none at all: then what was revoked would count again."""
    (tmp_path / "trust.pem").write_bytes(b"cut")
    with pytest.raises(Corrupt, match="trust file"):
        TrustFile(tmp_path / "trust.pem", ca)


def test_a_data_directory_of_the_version_before_has_none(site_keys: DataDir) -> None:
    assert load_trust(site_keys).revocations.epoch == 0


def test_too_many_are_refused(site_keys: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.storage.trust_file.MAX_REVOKED", 2)
    ca, key = pki.load_ca(site_keys.ca_certificate), pki.load_ca_key(site_keys.keys / pki.CA_KEY)
    with pytest.raises(BadInput, match="at most 2 certificates"):
        next_list(b"", ca, key, [Revoked(number, 0.0) for number in (1, 2, 3)])


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """In memory. Raises `ssl.SSLError`."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def test_tls_refuses_what_is_revoked(site_keys: DataDir, tmp_path: Path, ca: x509.Certificate) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(site_keys.keys / pki.SERVER_CERTIFICATE, site_keys.keys / pki.SERVER_KEY)
    client = ssl.create_default_context(cafile=site_keys.ca_certificate)
    file, key = TrustFile(tmp_path / "trust.pem", ca), pki.load_ca_key(site_keys.keys / pki.CA_KEY)
    file.use_in(client)
    handshake(server, client, "packages.example")
    file.take(next_list(b"", ca, key, [Revoked(7, 0.0)]))
    file.use_in(client)
    handshake(server, client, "packages.example")
    serial = pki.load_certificate(site_keys.keys / pki.SERVER_CERTIFICATE).serial_number
    file.take(next_list(file.pem, ca, key, [Revoked(serial, 0.0)]))
    file.use_in(client)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        handshake(server, client, "packages.example")
