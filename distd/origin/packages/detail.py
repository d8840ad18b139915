"""One package, whole: what the catalogue, its manifest and its info say of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import Notify
from distd.origin.packages import overview, planned_activations
from distd.origin.packages.overview import ListedPackage, PackageState
from distd.origin.packages.planned_activations import Planned  # noqa: TC001 - the API looks at the fields
from distd.storage import package_dirs, pki

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.storage.data_dir import DataDir


@dataclass(frozen=True, slots=True)
class PackageDetail(ListedPackage):
    """A package with its digests (hexadecimal, empty where they were not computed), what agents show their users, and
    its planned activation. Of a deleted one only the catalogue's row is left. `damage`: why its files cannot be read;
    empty: they can."""

    sha256: str = ""
    blake3: str = ""
    notify: Notify = field(default_factory=Notify)
    planned: Planned | None = None
    damage: str = ""


def show(conn: Connection, data: DataDir, package_id: str) -> PackageDetail:
    """One package, also a deleted one. Raises `NotFound`."""
    listed = overview.show(conn, package_id)
    given = {each.name: getattr(listed, each.name) for each in fields(ListedPackage)}
    if listed.state == PackageState.DELETED:
        return PackageDetail(**given)
    given["planned"] = planned_activations.planned_of(conn, package_id)
    try:
        manifest = package_dirs.read_manifest(data, package_id, pki.load_ca(data.ca_certificate))
        notify = package_dirs.read_info(data, package_id).notify
    except (BadInput, Corrupt) as error:
        return PackageDetail(**given, damage=str(error))
    except OSError as error:
        return PackageDetail(**given, damage=f"{error.filename}: {error.strerror}")
    given |= {"md5": manifest.md5.hex(), "sha256": manifest.sha256.hex(), "blake3": manifest.blake3.hex()}
    return PackageDetail(**given, notify=notify)
