"""After a crash: directories and catalogue are reconciled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from distd.catalogue import schema
from distd.domain.actor import SYSTEM
from distd.domain.errors import BadInput, Corrupt
from distd.origin.packages import packages
from distd.storage import package_dirs, pki

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue
    from distd.storage.data_dir import DataDir


@dataclass(frozen=True, slots=True)
class Reconciled:
    """`removed`: directories of no package, gone now. `missing`: packages whose directory is gone."""

    removed: list[str]
    missing: list[str]


def reconcile(catalogue: Catalogue, data: DataDir) -> Reconciled:
    """Remove what crashes left in the download directory. To be called when a server or a build starts."""
    with catalogue.write() as conn:
        crashed = package_dirs.remove_stale(data)
        query = select(schema.packages.c.id, schema.packages.c.version).where(schema.packages.c.deleted_at_us.is_(None))
        live = {row.id: row.version for row in conn.execute(query)}
        found = set(package_dirs.list_ids(data))
        for package_id in sorted(found - live.keys()):
            package_dirs.delete(data, package_id)
        if crashed:
            _update_rows(conn, data, {package_id: live[package_id] for package_id in found & live.keys()})
    return Reconciled(removed=sorted(found - live.keys()), missing=sorted(live.keys() - found))


def _update_rows(conn: Connection, data: DataDir, versions: dict[str, int]) -> None:
    """A directory that is newer than its row was put in place just before a crash: the row gets its version."""
    ca = pki.load_ca(data.ca_certificate)
    for package_id, version in versions.items():
        try:
            manifest = package_dirs.read_manifest(data, package_id, ca)
            info = package_dirs.read_info(data, package_id)
        except (Corrupt, BadInput, OSError):
            continue  # `package verify` names it
        if manifest.version <= version:
            continue
        at_s = (data.package(package_id) / "manifest").stat().st_mtime
        if manifest.fragments and not manifest.size:
            packages.mark_withdrawn(conn, SYSTEM, package_id, manifest.version, at_s)
        else:
            packages.mark_edited(conn, SYSTEM, info, manifest.version, at_s)
