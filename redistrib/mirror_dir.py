"""A mirror's data directory: what is where, its settings, who the mirror is, and what it is to have."""

from __future__ import annotations

import json
import os
import tomllib
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from distd.domain import settings
from distd.domain.errors import BadInput, Corrupt
from distd.storage import atomic
from distd.storage.data_dir import DataDir
from distd.wire import mirror_events, packing
from distd.wire.mirror_events import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from distd.domain.settings import Settings

_DEFAULTS: Final = """\
# Settings of redistrib. What is commented out has its default value; distd/docs/reference/settings.md has the meanings.

[server]
# http = "0.0.0.0:8080"
# https = "0.0.0.0:8443"

[bandwidth]
# rules = ""

[store]
# quota_mib = 0
# keep_free_mib = 256
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """What `redistrib join` was given. `origin` is the URL of the server that was asked: the origin, or a mirror.

    `sealed`: the key is shown to the origin alone. A mirror that joined with an earlier version shows it to whom it
    follows.
    """

    name: str
    origin: str
    key: str
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class MirrorDir:
    """`data` is what a mirror has in common with an origin: `download`, `fragments`, `keys`, `cacert.pem`."""

    root: Path

    @property
    def data(self) -> DataDir:
        """The folders of packages and keys."""
        return DataDir(self.root)

    @property
    def identity_file(self) -> Path:
        """Who the mirror is: there once it has joined."""
        return self.root / "keys" / "mirror.json"

    @property
    def settings_file(self) -> Path:
        """Its settings."""
        return self.root / "redistrib.toml"

    @property
    def incoming(self) -> Path:
        """Fragments that are not yet in a package, by their BLAKE3."""
        return self.root / "incoming"

    @property
    def spool(self) -> Path:
        """Which agents fetched what, until the origin knows."""
        return self.root / "spool"

    @property
    def state_file(self) -> Path:
        """What the mirror was last told to have: an event."""
        return self.root / "state"

    @property
    def status_file(self) -> Path:
        """What the running server says of itself, every few seconds."""
        return self.root / "status.json"


def open_mirror(root: Path) -> MirrorDir:
    """A folder made by `redistrib`. Raises `BadInput` for any other."""
    mirror = MirrorDir(root)
    if not mirror.settings_file.is_file():
        raise BadInput("--data", "a folder made by `redistrib join` or `serve --from-ocs`", str(root))
    return mirror


def create_mirror(root: Path) -> MirrorDir:
    """The folders of a mirror in `root`; those that are there stay as they are."""
    mirror = MirrorDir(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)  # whatever the umask says: a web server may serve `download`
        for folder, mode in (
            (mirror.data.download, 0o755),
            (mirror.data.fragments, 0o755),
            (mirror.incoming, 0o755),
            (mirror.spool, 0o700),
            (mirror.data.keys, 0o700),
        ):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        if not mirror.settings_file.exists():
            atomic.write_file(mirror.settings_file, _DEFAULTS.encode(), mode=0o640)
    except OSError as error:
        raise _cannot_be_made(root, error) from None
    return mirror


@contextmanager
def building_mirror(root: Path) -> Iterator[MirrorDir]:
    """A new mirror under a hidden name, to put its keys in; at the end of the block it is at `root`.

    Where `root` is a folder already, the new files and folders are moved into it: packages and settings that are there
    stay, keys and certificates are replaced. When the block raises, nothing is left of it.

    Raises `BadInput` when there can be no such folder.
    """
    is_new = not root.exists()
    with ExitStack() as stack:
        try:
            place = _existing(root.parent) if is_new else root
            folder = stack.enter_context(atomic.building(place, root.name))
        except OSError as error:
            raise _cannot_be_made(root, error) from None
        yield create_mirror(folder)
        if is_new:
            root.parent.mkdir(parents=True, exist_ok=True)
            atomic.publish_directory(folder, root)
        else:
            _move_into(folder, root)


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _move_into(folder: Path, root: Path) -> None:
    """The identity comes last: where it is, everything is, wherever this is cut off."""
    root.chmod(0o755)
    built, mirror = MirrorDir(folder), MirrorDir(root)
    for path in (mirror.data.download, mirror.data.fragments, mirror.incoming, mirror.spool):
        if not path.exists():
            os.rename(folder / path.name, root / path.name)
    if not mirror.settings_file.exists():
        os.rename(built.settings_file, mirror.settings_file)
    os.rename(built.data.ca_certificate, mirror.data.ca_certificate)
    if mirror.data.keys.exists():
        for path in sorted(built.data.keys.iterdir(), key=lambda path: path.name == mirror.identity_file.name):
            os.rename(path, mirror.data.keys / path.name)
    else:
        os.rename(built.data.keys, mirror.data.keys)
    atomic.sync_folder(mirror.data.keys)
    atomic.sync_folder(root)


def _cannot_be_made(root: Path, error: OSError) -> BadInput:
    return BadInput("--data", "a folder that can be made", str(root), error.strerror or "")


def read_settings(mirror: MirrorDir, environment: Mapping[str, str], overrides: Mapping[str, str]) -> Settings:
    """`overrides` by name, the environment (DISTD_…), `redistrib.toml` if it is there, in this order.

    Raises `BadInput`.
    """
    try:
        file = tomllib.loads(mirror.settings_file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        file = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput("redistrib.toml", "TOML", str(mirror.settings_file), str(error)) from None
    return settings.load(file, environment, overrides, "redistrib.toml")


def write_identity(mirror: MirrorDir, identity: Identity) -> None:
    """The mirror has joined."""
    atomic.write_file(mirror.identity_file, json.dumps(asdict(identity)).encode(), mode=0o600)


def read_identity(mirror: MirrorDir) -> Identity | None:
    """None: it has not joined. Raises `BadInput` for a file that `redistrib join` did not write."""
    try:
        return msgspec.json.decode(mirror.identity_file.read_bytes(), type=Identity)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        expected = "an identity written by `redistrib join`"
        raise BadInput("--data", expected, str(mirror.identity_file), str(error)) from None


def write_state(mirror: MirrorDir, state: State) -> None:
    """Keep what the mirror is to have, for when it starts while the origin is away."""
    kept = msgspec.structs.replace(state, seq=0, mirrors=msgspec.UNSET)
    atomic.write_file(mirror.state_file, packing.pack(kept))


def read_state(mirror: MirrorDir) -> State | None:
    """What the mirror was last told to have; None: it was never told. Raises `Corrupt`."""
    try:
        event = mirror_events.read(mirror.state_file.read_bytes(), "state")
    except FileNotFoundError:
        return None
    if not isinstance(event, State):
        raise Corrupt("state", "an event of the kind state", type(event).__name__)
    return event
