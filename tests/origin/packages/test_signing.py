"""All manifests signed anew: one version on, package by package, and whatever was cut off is finished."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from distd.catalogue import event_log, schema
from distd.domain.errors import Conflict
from distd.origin.packages import packages, publishing, signing, versions
from distd.packaging.verify import verify
from distd.storage import atomic, issuing, key_pairs, pki
from distd.storage.key_pairs import SIGNER
from distd.storage.trust_file import Revoked, TrustFile, next_list
from distd.wire import manifest as manifest_format
from tests.fixtures.mirrors import add_mirror, report
from tests.fixtures.origin import ADMIN, NOW_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def rotate(data: Any, package_store: Any) -> Any:
    """Replaces the signer; gives the store with the new one."""

    def rotate() -> Any:
        key = issuing.new_signer_key()
        request = issuing.make_request(key)
        key_pairs.prepare(data.keys, SIGNER, key, request)
        ca, ca_key = pki.load_ca(data.ca_certificate), pki.load_ca_key(data.keys / pki.CA_KEY)
        signing.begin(data.keys)
        key_pairs.commit(data.keys, SIGNER, issuing.issue(issuing.read_request(request), ca, ca_key))
        return dataclasses.replace(package_store, signer=pki.load_signer(data.keys))

    return rotate


@pytest.fixture
def ids(publish: Any) -> list[str]:
    return [publish(name=name, now_s=NOW_S + number).id for number, name in enumerate(("one", "two", "three"))]


def signer_of(data: Any, package_id: str) -> bytes:
    return manifest_format.signer_of((data.package(package_id) / "manifest").read_bytes())


def version(origin: TestOrigin, package_id: str) -> int:
    found: int = origin.read(packages.show, package_id).version
    return found


def test_all_are_signed_anew_one_version_on(data: Any, origin: TestOrigin, ids: Any, rotate: Any) -> None:
    fragments = {path: path.stat().st_ino for path in data.download.glob("*/*-*")}
    infos = [(data.package(package_id) / "info").read_bytes() for package_id in ids]
    store = rotate()
    assert signing.is_pending(data.keys)
    done = signing.sign_anew(store, ADMIN, NOW_S)
    assert (sorted(done.ids), done.failed, signing.is_pending(data.keys)) == (sorted(ids), {}, False)
    for package_id in ids:
        assert signer_of(data, package_id) == store.signer.certificate_der
        assert verify(data, package_id, store.ca, version=version(origin, package_id)) == {}
        assert version(origin, package_id) == 2
    assert {path: path.stat().st_ino for path in data.download.glob("*/*-*")} == fragments
    assert [(data.package(package_id) / "info").read_bytes() for package_id in ids] == infos
    kinds = [event.package_id for event in origin.events(event_log.Kind.PACKAGE_SIGNED)]
    assert sorted(kinds) == sorted(ids)


def test_once_more_does_nothing(origin: TestOrigin, ids: Any, rotate: Any) -> None:
    store = rotate()
    signing.sign_anew(store, ADMIN, NOW_S)
    assert signing.sign_anew(store, ADMIN, NOW_S).ids == []
    assert len(origin.events(event_log.Kind.PACKAGE_SIGNED)) == len(ids)


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_what_was_cut_off_is_finished(
    data: Any, origin: TestOrigin, ids: Any, rotate: Any, monkeypatch: pytest.MonkeyPatch, count: int, written: bool
) -> None:
    """Before and after the file is written; the row is not committed then."""
    store, write, left = rotate(), atomic.write_file, iter(range(count))

    def cut_off(path: Path, content: bytes, mode: int = 0o644) -> None:
        is_last = next(left, None) is None
        if written or not is_last:
            write(path, content, mode)
        if is_last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_file", cut_off)
        with pytest.raises(KeyboardInterrupt):
            signing.sign_anew(store, ADMIN, NOW_S)
    assert signing.is_pending(data.keys)
    done = signing.sign_anew(store, ADMIN, NOW_S)
    assert len(done.ids) == len(ids) - count
    for package_id in ids:
        assert version(origin, package_id) == 2
        assert verify(data, package_id, store.ca, version=2) == {}
        assert signer_of(data, package_id) == store.signer.certificate_der


def test_a_broken_manifest_is_named_and_the_others_are_done(data: Any, ids: Any, rotate: Any) -> None:
    (data.package(ids[1]) / "manifest").write_bytes(b"x")
    done = signing.sign_anew(rotate(), ADMIN, NOW_S)
    assert (sorted(done.ids), list(done.failed)) == (sorted({ids[0], ids[2]}), [ids[1]])
    assert signing.is_pending(data.keys)


def test_the_version_is_later_than_what_mirrors_have(
    data: Any, origin: TestOrigin, ids: Any, rotate: Any, package_store: Any
) -> None:
    """After a restore from a backup the catalogue is behind them, and they take no earlier version."""
    report(origin, add_mirror(origin, "paris"), have=[[ids[0], 7]])
    signing.sign_anew(rotate(), ADMIN, NOW_S)
    assert [version(origin, package_id) for package_id in ids] == [8, 2, 2]


def test_withdrawn_and_deleted_packages(
    data: Any, origin: TestOrigin, ids: Any, rotate: Any, package_store: Any
) -> None:
    versions.withdraw(package_store, ADMIN, ids[0], NOW_S)
    publishing.delete(package_store, ADMIN, ids[1], NOW_S)
    store = rotate()
    assert sorted(signing.sign_anew(store, ADMIN, NOW_S).ids) == sorted({ids[0], ids[2]})
    assert verify(data, ids[0], store.ca, version=3) == {}
    row = origin.read(lambda conn: conn.execute(select(schema.packages).where(schema.packages.c.id == ids[0])).one())
    assert row.withdrawn_at_us is not None


def test_what_was_begun_with_the_signer_before_is_refused(
    data: Any, ids: Any, rotate: Any, package_store: Any, new_package: Any
) -> None:
    """Nobody would sign it anew, and it would not count once that signer is revoked."""
    store = rotate()
    with pytest.raises(Conflict, match="the signing key was rotated while the package was made"):
        publishing.publish(package_store, ADMIN, new_package, NOW_S + 100)
    with pytest.raises(Conflict, match="the signing key was rotated"):
        versions.withdraw(package_store, ADMIN, ids[0], NOW_S)
    assert sorted(path.name for path in data.download.iterdir()) == sorted(ids)
    assert verify(data, ids[0], store.ca) == {}
    publishing.publish(store, ADMIN, new_package, NOW_S + 100)


def test_then_the_signer_before_can_be_revoked(data: Any, ids: Any, rotate: Any, package_store: Any) -> None:
    earlier = shutil.copytree(data.package(ids[0]), data.root / "earlier")
    store = rotate()
    signing.sign_anew(store, ADMIN, NOW_S)
    (old,) = key_pairs.retired(data.keys, SIGNER)
    ca, ca_key = pki.load_ca(data.ca_certificate), pki.load_ca_key(data.keys / pki.CA_KEY)
    file = TrustFile(data.trust_file, ca)
    file.take(next_list(b"", ca, ca_key, [Revoked(old.serial_number, NOW_S)]))
    assert all(verify(data, package_id, file.trust) == {} for package_id in ids)
    shutil.copy(earlier / "manifest", data.package(ids[0]) / "manifest")
    (fault,) = verify(data, ids[0], file.trust).values()
    assert "expected a certificate that is not revoked" in str(fault)
