"""`distd keys`: rotate and revoke, with the CA's key here, and with a CA whose key is elsewhere."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from distd.storage import issuing, pki, token_keys
from distd.wire import tokens
from tests.fixtures.databases import sqlite_database

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["sqlite_database"]  # what is tested here is the same on each


def keys(site: Any, *words: Any) -> Any:
    done = site("keys", *words, "--json")
    assert done.status == 0, done.err
    return done.json


def states(site: Any, name: str) -> list[str]:
    return [row["state"] for row in keys(site, "list") if row["name"] == name]


def server_hosts(site: Any) -> list[str]:
    return issuing.hosts_of(pki.load_certificate(site.data / "keys" / pki.SERVER_CERTIFICATE))


@pytest.fixture
def away(site: Any) -> Path:
    """The CA's key is taken from the site, and is here."""
    folder: Path = site.folder / "away"
    folder.mkdir()
    shutil.move(site.data / "keys" / pki.CA_KEY, folder)
    shutil.copy(site.data / "cacert.pem", folder)
    return folder


def test_the_signer_is_rotated_and_the_one_before_counts_until_it_is_revoked(site: Any) -> None:
    package_id = site.build()
    shutil.copy(site.data / "download" / package_id / "manifest", site.folder)
    done = keys(site, "rotate", "signing")
    assert (done["state"], done["packages"], states(site, "signer")) == ("done", 1, ["in use", "before"])
    assert site("package", "verify", package_id).status == 0
    assert site("package", "show", package_id, "--json").json["version"] == 2
    serial = next(row["serial"] for row in keys(site, "list") if row["state"] == "before")
    assert keys(site, "revoke", serial[:12])["epoch"] == 1
    assert states(site, "signer") == ["in use", "revoked"]
    shutil.copy(site.folder / "manifest", site.data / "download" / package_id)
    done = site("package", "verify", package_id)
    assert (done.status, "not revoked" in done.err) == (1, True)


def test_a_leaked_signing_key_is_revoked_at_once(site: Any) -> None:
    package_id = site.build()
    assert keys(site, "rotate", "signing", "--revoke")["epoch"] == 1
    assert keys(site, "rotate", "signing", "--revoke")["epoch"] == 2
    assert states(site, "signer") == ["in use", "revoked", "revoked"]
    assert site("package", "verify", package_id).status == 0
    kinds = [row["kind"] for row in site("events", "--all", "--json").json["items"]]
    assert kinds.count("KEYS_ROTATED") == kinds.count("CERTIFICATES_REVOKED") == 2


def test_what_is_in_use_is_not_revoked(site: Any) -> None:
    serial = next(row["serial"] for row in keys(site, "list") if row["name"] == "signer")
    done = site("keys", "revoke", serial)
    assert (done.status, "`distd keys rotate signing --revoke` replaces it" in done.err) == (2, True)
    assert site("keys", "revoke", "zz").status == 2


def test_a_package_that_cannot_be_signed_anew_keeps_the_signer(site: Any) -> None:
    package_id = site.build()
    manifest = site.data / "download" / package_id / "manifest"
    content = manifest.read_bytes()
    manifest.write_bytes(b"x")
    done = site("keys", "rotate", "signing", "--revoke", "--json")
    assert (done.status, done.json["state"], package_id in done.err) == (1, "unfinished", True)
    assert states(site, "signer") == ["in use", "before"]
    manifest.write_bytes(content)
    assert keys(site, "rotate", "signing", "--revoke")["packages"] == 1
    assert states(site, "signer") == ["in use", "revoked"]


def test_the_token_key(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.cli.keys.SPREAD_S", 0.0)
    folder = site.data / "keys"
    token = tokens.make_endless(pki.load_token_key(folder), 46)
    keys(site, "rotate", "token", "--keep", "2h")
    accepted = token_keys.load(folder).accepted(0.0)
    assert (tokens.check_any(accepted, token), tokens.check(accepted[0], token)) == (46, None)
    keys(site, "rotate", "token", "--revoke")
    assert tokens.check_any(token_keys.load(folder).accepted(10.0**10), token) is None


def test_the_servers_certificate(site: Any) -> None:
    assert keys(site, "rotate", "server")["state"] == "done"
    assert server_hosts(site)[0] == "localhost"
    assert keys(site, "rotate", "server", "--host", "new.example", "--revoke")["epoch"] == 1
    assert server_hosts(site) == ["new.example", "localhost", "127.0.0.1", "::1"]
    assert states(site, "server") == ["in use", "revoked", "revoked"]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("rotate", "token", "--host", "x"), "--host"),
        (("rotate", "server", "--keep", "2h"), "--keep"),
        (("rotate", "server", "--host", "a b"), "--host"),
        (("rotate", "token", "--keep", "x"), "--keep"),
        (("rotate", "nothing"), "signing|token|server|mirrors"),
        (("install", "/nowhere"), "DIR"),
    ],
)
def test_what_cannot_be_is_bad_input(site: Any, words: Any, field: str) -> None:
    before = site.snapshot()
    done = site("keys", *words)
    assert (done.status, field in done.err) == (2, True), done.err
    assert site.snapshot() == before


def test_with_the_cas_key_elsewhere_requests_go_out_and_certificates_come_in(site: Any, away: Path) -> None:
    package_id, usb = site.build(), site.folder / "usb"
    assert keys(site, "request", usb) == []
    assert keys(site, "rotate", "signing", "--revoke")["state"] == "waiting"
    assert keys(site, "rotate", "server", "--host", "new.example")["state"] == "waiting"
    assert (states(site, "CA"), states(site, "signer")) == (["offline"], ["to be revoked"])
    assert site("package", "verify", package_id).status == 0  # nothing has changed yet
    assert keys(site, "request", usb) == ["server.csr", "signer.csr", "trust.json"]
    signed = site("keys", "sign", usb, "--ca", away, "--json", data=False)
    assert [row["file"] for row in signed.json] == ["server.csr", "signer.csr", "trust.json"]
    assert keys(site, "install", usb) == ["server.pem", "signer.pem", "trust.pem"]
    assert keys(site, "install", usb) == []
    assert keys(site, "request", site.folder / "again") == []
    assert (states(site, "signer"), server_hosts(site)[0]) == (["in use", "revoked"], "new.example")
    assert site("package", "verify", package_id).status == 0
    assert not (site.data / "keys" / pki.CA_KEY).exists()


def test_another_cas_certificates_are_not_installed(site: Any, away: Path) -> None:
    usb, other = site.folder / "usb", site.folder / "other"
    keys(site, "rotate", "server")
    keys(site, "request", usb)
    assert site("init", "--host", "x", "--data", other, data=False).status == 0
    shutil.copy(other / "cacert.pem", other / "keys")
    assert site("keys", "sign", usb, "--ca", other / "keys", data=False).status == 0
    done = site("keys", "install", usb)
    assert (done.status, "expected a certificate of this site's CA" in done.err) == (2, True)
    assert states(site, "server") == ["in use"]


def test_a_request_is_signed_for_what_its_name_says_only(site: Any, away: Path) -> None:
    """A mirror's request that asks for a signer's certificate would let it sign manifests."""
    usb = site.folder / "usb"
    usb.mkdir()
    (usb / "mirror-paris.csr").write_bytes(issuing.make_request(issuing.new_signer_key()))
    done = site("keys", "sign", usb, "--ca", away, data=False)
    assert (done.status, "mirror-paris.csr: expected a request of the kind that its name says" in done.err) == (2, True)
    assert sorted(path.name for path in usb.iterdir()) == ["mirror-paris.csr"]


def test_init_with_the_cas_key_elsewhere(site: Any) -> None:
    data, folder = site.folder / "new", site.folder / "ca"
    done = site("init", "--host", "localhost", "--offline-ca", folder, "--data", data, data=False)
    assert (done.status, str(folder) in done.out) == (0, True)
    assert sorted(path.name for path in folder.iterdir()) == ["ca.key", "cacert.pem"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (data / "keys" / pki.CA_KEY).exists()
    assert (folder / "cacert.pem").read_bytes() == (data / "cacert.pem").read_bytes()
    again = site("init", "--offline-ca", folder, "--data", site.folder / "third", data=False)
    assert (again.status, "--offline-ca: expected a folder that is not there yet" in again.err) == (2, True)
    inside = site("init", "--offline-ca", site.folder / "third/ca", "--data", site.folder / "third", data=False)
    assert (inside.status, (site.folder / "third").exists()) == (2, False)
