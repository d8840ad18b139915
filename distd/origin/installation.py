"""An installation of distd: its data directory, settings and catalogue, made and opened together."""

from __future__ import annotations

import os
import tomllib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from distd.catalogue.dialect import database_of
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.domain.errors import BadInput
from distd.domain.settings import CatalogueSettings, load
from distd.origin.packages.publishing import PackageStore
from distd.storage import key_pairs, pki
from distd.storage.data_dir import DataDir, create_data_dir, open_data_dir
from distd.storage.quota import DiskLimits
from distd.storage.trust_file import load_trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from distd.catalogue.engine import Catalogue
    from distd.domain.settings import Settings

MIB: Final = 1_048_576
EMBEDDED: Final = CatalogueSettings()  # the catalogue is a file of the data directory
NO_OVERRIDES: Final[Mapping[str, str]] = MappingProxyType({})


def create_installation(
    root: Path, hosts: Sequence[str], ca_folder: Path | None = None, place: CatalogueSettings = EMBEDDED
) -> DataDir:
    """A new data directory in `root` with an empty catalogue. `hosts[0]` is the name that agents are given.

    The CA's key is put into `ca_folder`, with its certificate; None: into the data directory. `place` says where the
    catalogue is, and is kept in the settings.

    Raises `BadInput` when something is there already, `Unavailable` for a database that does not answer; then, and when
    anything fails, nothing is changed.
    """
    if place == EMBEDDED:
        return create_data_dir(root, hosts, create_catalogue, ca_folder)
    kept = {f"catalogue.{name}": value for name, value in asdict(place).items() if value}
    database = database_of(place, DataDir(root).catalogue)
    return create_data_dir(root, hosts, lambda _: create_catalogue(database), ca_folder, kept)


@dataclass(frozen=True, slots=True)
class Installation:
    """An open installation. `https`: "host:port" at which the server that asks is reached; "": it is no server."""

    data: DataDir
    settings: Settings
    catalogue: Catalogue
    https: str = ""

    def package_store(self) -> PackageStore:
        """What is needed to make packages."""
        return PackageStore(
            catalogue=self.catalogue,
            data=self.data,
            signer=pki.load_signer(self.data.keys),
            ca=load_trust(self.data),
            config=self.settings.download,
            disk_limits=self.disk_limits(),
        )

    def disk_limits(self) -> DiskLimits:
        """What no build may take of the disk, by the settings."""
        return disk_limits(self.settings)


def disk_limits(settings: Settings) -> DiskLimits:
    """What no build may take of the disk, by the settings."""
    return DiskLimits(settings.store.quota_mib * MIB, settings.store.keep_free_mib * MIB)


@contextmanager
def open_installation(
    root: Path, overrides: Mapping[str, str] = NO_OVERRIDES, *, later: bool = False
) -> Iterator[Installation]:
    """Open a data directory with its settings and its catalogue. Raises `BadInput`, and `Unreachable` where the
    catalogue does not answer, unless that may be `later`."""
    data = open_data_dir(root)
    settings = read_settings(data, overrides)
    key_pairs.settle(data.keys)
    with open_catalogue(database_of(settings.catalogue, data.catalogue), later=later) as catalogue:
        yield Installation(data, settings, catalogue)


def read_settings(data: DataDir, overrides: Mapping[str, str]) -> Settings:
    """The settings in force: from the command line, the environment, the file. Raises `BadInput`."""
    return load(_read_toml(data.settings_file), os.environ, overrides)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput("distd.toml", "TOML", str(path), str(error)) from None
