"""A mirror's data directory: what lies where, and who the mirror is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.storage import atomic
from distd.storage.data_dir import DataDir

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULTS: Final = """\
# Settings of redistrib. What is commented out stands at its default; docs/reference/settings.md has the meanings.

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
    """What `redistrib join` was given. `origin` is the URL of who was asked: the origin, or a mirror of it."""

    name: str
    origin: str
    key: str


@dataclass(frozen=True, slots=True)
class MirrorDir:
    """`data` is what a mirror has in common with an origin: `download`, `fragments`, `keys`, `cacert.pem`."""

    root: Path

    @property
    def data(self) -> DataDir:
        return DataDir(self.root)

    @property
    def identity_file(self) -> Path:
        return self.root / "keys" / "mirror.json"

    @property
    def settings_file(self) -> Path:
        return self.root / "redistrib.toml"

    @property
    def incoming(self) -> Path:
        """Fragments on their way, by their BLAKE3."""
        return self.root / "incoming"

    @property
    def spool(self) -> Path:
        """Who fetched what, until the origin knows."""
        return self.root / "spool"

    @property
    def state_file(self) -> Path:
        """How far the mirror has followed, and what it was told to have: a frame."""
        return self.root / "state"

    @property
    def status_file(self) -> Path:
        """What the running server says of itself, once a second."""
        return self.root / "status.json"


def open_mirror(root: Path) -> MirrorDir:
    """Raises `BadInput` where nothing was made by `redistrib`."""
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
        raise BadInput("--data", "a folder that can be made", f"{root}: {error.strerror}") from None
    return mirror


def write_identity(mirror: MirrorDir, identity: Identity) -> None:
    atomic.write_file(mirror.identity_file, json.dumps(asdict(identity)).encode(), mode=0o600)


def read_identity(mirror: MirrorDir) -> Identity | None:
    """None: it has not joined. Raises `BadInput` for a file that is none of ours."""
    try:
        return Identity(**json.loads(mirror.identity_file.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise BadInput(
            "--data", "an identity written by `redistrib join`", f"{mirror.identity_file}: {error}"
        ) from None
