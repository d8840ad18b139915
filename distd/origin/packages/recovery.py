"""After a crash: directories and catalogue are made one again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from distd.catalogue.schema import packages
from distd.domain.errors import BadInput, Corrupt
from distd.origin.packages import packages as use_cases
from distd.storage import package_dirs as directories
from distd.storage import pki

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
    """Removes what crashes left in the download directory. To be called when a server or a build starts."""
    crashed = directories.sweep(data)
    with catalogue.write() as conn:
        query = select(packages.c.id, packages.c.version).where(packages.c.deleted_at_us.is_(None))
        live = {row.id: row.version for row in conn.execute(query)}
        there = set(directories.list_ids(data))
        for package_id in sorted(there - live.keys()):
            directories.delete(data, package_id)
        if crashed:
            _catch_up(conn, data, {package_id: live[package_id] for package_id in there & live.keys()})
    return Reconciled(removed=sorted(there - live.keys()), missing=sorted(live.keys() - there))


def _catch_up(conn: Connection, data: DataDir, versions: dict[str, int]) -> None:
    """A directory that is newer than its row was put in place just before a crash: the row follows it."""
    ca = pki.load_ca(data.ca_certificate)
    for package_id, version in versions.items():
        try:
            manifest = directories.read_manifest(data, package_id, ca)
            info = directories.read_info(data, package_id)
        except (Corrupt, BadInput, OSError):
            continue  # `package verify` tells
        if manifest.version <= version:
            continue
        at_s = (data.package(package_id) / "manifest").stat().st_mtime
        if manifest.fragments and not manifest.size:
            use_cases.mark_withdrawn(conn, package_id, manifest.version, at_s)
        else:
            use_cases.mark_edited(conn, info, manifest.version, at_s)
