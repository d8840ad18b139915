"""All manifests signed anew, by the signer of now: so that an earlier one can be revoked.

Each package gets one version on, so that mirrors fetch its manifest; its info and fragments stay. A package is done in
one transaction, and what is done is known by its manifest: whatever was cut off is finished by calling this again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from distd.catalogue import event_log, schema
from distd.catalogue.mirrors_schema import mirror_packages
from distd.domain.errors import Corrupt
from distd.storage import atomic, package_dirs
from distd.wire import manifest as manifest_format
from distd.wire.trust import trust_of

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.origin.packages.publishing import PackageStore

PENDING = "signing-anew"  # in the folder of keys, from before a signer is replaced until all manifests are signed anew


@dataclass(frozen=True, slots=True)
class SignedAnew:
    """`ids`: of the packages that were signed anew; `failed`: why others could not be, by id."""

    ids: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def begin(keys: Path) -> None:
    """The signer is about to be replaced."""
    atomic.write_file(keys / PENDING, b"", mode=0o600)


def is_pending(keys: Path) -> bool:
    """Whether manifests may be left that an earlier signer signed."""
    return (keys / PENDING).exists()


def sign_anew(store: PackageStore, actor: Actor, now_s: float) -> SignedAnew:
    """Sign the manifests of all packages that another signer signed.

    A manifest that is broken stays as it is. Raises `Unavailable` when the disk is full.
    """
    with store.catalogue.write() as conn:  # after whoever publishes at this moment
        query = select(schema.packages.c.id).where(schema.packages.c.deleted_at_us.is_(None))
        ids = list(conn.scalars(query.order_by(schema.packages.c.id)))
    done = SignedAnew()
    for package_id in ids:
        try:
            if _sign_package(store, actor, package_id, now_s):
                done.ids.append(package_id)
        except (Corrupt, OSError) as error:
            done.failed[package_id] = str(error)
    if not done.failed:
        (store.data.keys / PENDING).unlink(missing_ok=True)
    return done


def _sign_package(store: PackageStore, actor: Actor, package_id: str, now_s: float) -> bool:
    path = store.data.package(package_id) / "manifest"
    signed = path.read_bytes()
    is_by_signer = manifest_format.signer_of(signed) == store.signer.certificate_der
    with store.catalogue.write() as conn:
        row_version = _version(conn, package_id)
        if row_version is None:
            return False  # it was deleted meanwhile
        manifest = package_dirs.read_manifest(store.data, package_id, trust_of(store.ca).ca)
        if is_by_signer and manifest.version == row_version:
            return False
        if not is_by_signer:
            known = max(row_version, manifest.version, _of_mirrors(conn, package_id))
            manifest = replace(manifest, version=known + 1)
        _mark_signed(conn, actor, package_id, manifest.version, now_s)
        if not is_by_signer:
            content = manifest_format.sign(manifest, store.signer.key, store.signer.certificate_der)
            with atomic.map_disk_full():
                atomic.write_file(path, content)
    return True


def _version(conn: Connection, package_id: str) -> int | None:
    packages = schema.packages
    query = select(packages.c.version).where(packages.c.id == package_id, packages.c.deleted_at_us.is_(None))
    return conn.scalar(query)


def _of_mirrors(conn: Connection, package_id: str) -> int:
    """The latest version that a mirror has: later than the catalogue's after a restore from a backup."""
    query = select(func.max(mirror_packages.c.version)).where(mirror_packages.c.package_id == package_id)
    return conn.scalar(query) or 0


def _mark_signed(conn: Connection, actor: Actor, package_id: str, version: int, now_s: float) -> None:
    conn.execute(update(schema.packages).where(schema.packages.c.id == package_id).values(version=version))
    kind = event_log.Kind.PACKAGE_SIGNED
    event_log.append(conn, kind, actor, at_s=now_s, package_id=package_id, version=version)
