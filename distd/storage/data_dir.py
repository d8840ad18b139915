"""The data directory: what is where."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.settings import TABLE
from distd.storage import atomic, pki

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from distd.domain.setting import Setting


NO_VALUES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths in a data directory. `download` is laid out as OCS has it, so any web server can serve it."""

    root: Path

    @property
    def download(self) -> Path:
        """The folder of all packages, each in a folder named by its id."""
        return self.root / "download"

    @property
    def fragments(self) -> Path:
        """The content store: see `storage.fragment_store`."""
        return self.root / "fragments"

    @property
    def uploads(self) -> Path:
        """Files that operators upload: see `storage.uploads`."""
        return self.root / "uploads"

    @property
    def catalogue(self) -> Path:
        """The database."""
        return self.root / "catalogue.db"

    @property
    def settings_file(self) -> Path:
        """The settings: TOML."""
        return self.root / "distd.toml"

    @property
    def ca_certificate(self) -> Path:
        """The file that agents need as `cacert.pem`."""
        return self.root / "cacert.pem"

    @property
    def keys(self) -> Path:
        """The folder of the private keys and their certificates: see `storage.pki`."""
        return self.root / "keys"

    @property
    def trust_file(self) -> Path:
        """What the CA has revoked: see `wire.trust`. There is none before anything was."""
        return self.root / "trust.pem"

    @property
    def version_floors(self) -> Path:
        """Of a mirror: see `storage.version_floors`."""
        return self.root / "floors"

    def package(self, package_id: str) -> Path:
        """The folder of a package."""
        return self.download / package_id


def open_data_dir(root: Path) -> DataDir:
    """The data directory in `root`. Raises `BadInput` when there is none."""
    data = DataDir(root)
    # The settings file is the last that is written, so where it is everything is.
    if not data.settings_file.is_file() or not data.download.is_dir():
        raise BadInput("data", "a data directory made by `distd init`", str(root))
    return data


def create_data_dir(
    root: Path,
    hosts: Sequence[str],
    create_catalogue: Callable[[Path], None],
    ca_folder: Path | None = None,
    values: Mapping[str, str] = NO_VALUES,
) -> DataDir:
    """Make a data directory in `root`, a folder that is empty or not there yet. `hosts[0]` is the name for agents.

    `create_catalogue(path)` makes the database, at that path or elsewhere, after all else. `values` are those of
    further settings that stand in the file, by "section.key". The CA's key, and its certificate once more, are put into
    `ca_folder`, which is made and must not be there yet; None: the key is put with the others.

    Raises `BadInput` when something is there already; then, and when anything fails, nothing is changed.
    """
    for host in hosts:
        pki.check_host(host)
    if ca_folder is not None:
        _check_ca_folder(ca_folder, root)
    is_new = not root.exists()
    if not is_new and (not root.is_dir() or any(root.iterdir())):
        found = "a data directory already" if (root / "distd.toml").exists() else "which has files"
        raise BadInput("data", "a folder that is empty or not there yet", f"{root}, {found}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)  # whatever the umask says: a web server may serve `download`
    except OSError as error:
        raise BadInput("data", "a folder that can be made", f"{root}: {error.strerror}") from None
    try:
        return _fill(DataDir(root), create_catalogue, ca_folder, hosts, {"server.host": hosts[0], **values})
    except BaseException:
        for path in root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if is_new:
            root.rmdir()
        raise


def _check_ca_folder(ca_folder: Path, root: Path) -> None:
    if ca_folder.exists() or ca_folder.absolute().is_relative_to(root.absolute()):
        raise BadInput("offline_ca", "a folder that is not there yet, outside the data directory", str(ca_folder))


def _fill(
    data: DataDir,
    create_catalogue: Callable[[Path], None],
    ca_folder: Path | None,
    hosts: Sequence[str],
    values: Mapping[str, str],
) -> DataDir:
    for folder, mode in ((data.download, 0o755), (data.keys, 0o700)):
        folder.mkdir()
        folder.chmod(mode)
    with ExitStack() as stack:
        if ca_folder is not None:
            stack.enter_context(_new_folder(ca_folder))
        pki.create_keys(data.keys, data.ca_certificate, hosts, ca_folder)
        if ca_folder is not None:
            atomic.write_file(ca_folder / data.ca_certificate.name, data.ca_certificate.read_bytes())
        create_catalogue(data.catalogue)
        if data.catalogue.exists():
            data.catalogue.chmod(0o640)
        atomic.write_file(data.settings_file, _settings_text(values).encode(), mode=0o640)
    return data


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """For its owner alone; gone again when the block raises."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise BadInput("offline_ca", "a folder that can be made", f"{folder}: {error.strerror}") from None
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _settings_text(values: Mapping[str, str]) -> str:
    """distd.toml with every setting in it, all but those that have one of `values` commented out."""
    lines = ["# Settings of distd. What is commented out has its default."]
    section = ""
    for setting in TABLE.values():
        name, _, key = setting.name.partition(".")
        if name != section:
            lines += ["", f"[{name}]"]
            section = name
        lines += _lines_of(setting, key, values.get(setting.name))
    return "\n".join(lines) + "\n"


def _lines_of(setting: Setting, key: str, value: str | None) -> Iterable[str]:
    yield f"# {setting.meaning}"
    yield f"# {key} = {_toml(setting.default)}" if value is None else f"{key} = {_toml(value)}"


def _toml(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
