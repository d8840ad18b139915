"""What a native agent keeps on disk, always consistent: each file is written under another name, synced and renamed.

STATE/                      of its user alone (0700)
STATE/lock                  held (flock) while an agent runs
STATE/deviceid              DEVICEID, as OCS makes it: hostname-YYYY-MM-DD-HH-MM-SS
STATE/history               ids of packages that need no second run, one a line
STATE/key, enrolled         the agent's own key, and that the server knows it (`credentials`)
STATE/config.json           the last CONF of a PROLOG reply
STATE/floors                the latest versions of packages that were taken: see `storage.version_floors`
STATE/trust.pem             what the CA has revoked: see `wire.trust`
STATE/agent.log
STATE/download/<id>/        one folder a package:
    info, manifest          as served, verified
    package.json            PACK_LOC and the time first seen; written last: without it the folder does not count
    <id>-N                  fragments, verified; <id>-N.part and <id>-N.etag: one on its way
    running                 a LAUNCH or EXECUTE was begun
    result                  the code to report; from then on nothing else of the folder is needed
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import shutil
import stat
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.agent_machine import QueuedPackage
from distd.domain.errors import BadInput, Conflict, Corrupt
from distd.domain.records import Dialect
from distd.domain.results import in_history
from distd.domain.settings import DownloadConfig
from distd.storage import atomic
from distd.storage.atomic import write_file
from distd.storage.version_floors import VersionFloors
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from distd.domain.records import Info, Manifest
    from distd.wire.trust import Authority


MAX_FLOORS: Final = 10_000


MODE: Final = 0o700


def is_disk_full(error: Exception) -> bool:
    """Whether it says that the disk or the quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Folder:
    """A package's folder."""

    path: Path

    @property
    def id(self) -> str:
        """The package's."""
        return self.path.name

    @property
    def tree(self) -> Path:
        """Where the package is unpacked."""
        return self.path / "tmp"

    def begin_tree(self) -> None:
        """An empty tree, whatever an earlier try has left."""
        shutil.rmtree(self.tree, ignore_errors=True)
        self.tree.mkdir()

    def fragment(self, number: int) -> Path:
        """Its file, once it is there and verified."""
        return self.path / f"{self.id}-{number}"

    def begin(self, info: bytes, manifest: bytes, pack_loc: str, since_s: float) -> None:
        """A new package. What an earlier one of this id left is removed."""
        remove_tree(self.path)
        self.path.mkdir(parents=True)
        write_file(self.path / "info", info)
        write_file(self.path / "manifest", manifest)
        self.place(pack_loc, since_s)

    def replace_manifest(self, manifest: bytes) -> None:
        """One that is signed anew, for the same info and the same fragments."""
        write_file(self.path / "manifest", manifest)

    def place(self, pack_loc: str, since_s: float) -> None:
        """Keep where fragments are fetched from, and when the package was first seen (Unix time)."""
        write_file(self.path / "package.json", json.dumps({"pack_loc": pack_loc, "since_s": since_s}).encode())

    def info(self) -> Info:
        """As served. Raises `BadInput`, `OSError`."""
        return ocs_info.parse((self.path / "info").read_bytes())

    def manifest(self, ca: Authority) -> Manifest:
        """Checked with the CA. Raises `Corrupt`, `OSError`."""
        return manifest_format.read((self.path / "manifest").read_bytes(), ca)

    def package(self, ca: Authority) -> QueuedPackage:
        """The package as the scheduler wants it. Raises `OSError`, `ValueError`, `KeyError`, `BadInput`, `Corrupt`."""
        place = json.loads((self.path / "package.json").read_bytes())
        return QueuedPackage(
            self.info(), str(place["pack_loc"]), float(place["since_s"]), self._fetched(self.manifest(ca))
        )

    def _fetched(self, manifest: Manifest) -> int:
        """How many fragments are there, from the first on. They were verified before they got their names."""
        for fragment in manifest.fragments:
            file = self.fragment(fragment.number)
            if not file.is_file() or file.stat().st_size != fragment.length:
                return fragment.number - 1
        return len(manifest.fragments)

    @property
    def was_running(self) -> bool:
        """Whether its command was begun, by this process or an earlier one."""
        return (self.path / "running").exists()

    def mark_running(self) -> None:
        """Its command is about to be begun."""
        write_file(self.path / "running", b"")

    @property
    def result(self) -> str:
        """The code that waits to be reported, or empty."""
        file = self.path / "result"
        return file.read_text() if file.exists() else ""

    def conclude(self, code: str) -> None:
        """Keep the result; the fragments are not needed any more."""
        self.path.mkdir(parents=True, exist_ok=True)
        if self.result == code:
            return
        try:
            write_file(self.path / "result", code.encode())
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._prune()
            write_file(self.path / "result", code.encode())
        self._prune()

    def _prune(self) -> None:
        for entry in list(self.path.iterdir()):
            if entry.name not in ("running", "result"):
                remove_tree(entry) if entry.is_dir() else entry.unlink()


class State:
    """A state directory. Made by `open_state`, which holds the lock."""

    def __init__(self, path: Path, was_open_to: int = 0) -> None:
        """`was_open_to`: the bits of the mode that were taken away, as others could read or write in it; mostly 0."""
        self.path = path
        self.was_open_to = was_open_to
        self.downloads = path / "download"
        self.floors = VersionFloors(path / "floors", MAX_FLOORS)
        self.trust_path = path / "trust.pem"

    def folder(self, package_id: str) -> Folder:
        """That of a package, which may not exist yet."""
        return Folder(self.downloads / package_id)

    def device_id(self, hostname: str, now: datetime, wanted: str = "") -> str:
        """The DEVICEID, made at the first run (`wanted`, or of host name and time) and then always the same.

        Raises `Conflict` when another one is wanted than the directory has.
        """
        file = self.path / "deviceid"
        if not file.exists():
            write_file(file, (wanted or f"{hostname}-{now:%Y-%m-%d-%H-%M-%S}").encode())
        device_id = file.read_text()
        if wanted and wanted != device_id:
            raise Conflict("--name", f"{self.path} belongs to {device_id}", "leave --name out, or give another --state")
        return device_id

    @property
    def history(self) -> set[str]:
        """Ids of packages that need no second run."""
        file = self.path / "history"
        return set(file.read_text().split()) if file.exists() else set()

    def save_history(self, history: set[str]) -> None:
        """Write it down if it has changed."""
        if history != self.history:
            write_file(self.path / "history", "".join(f"{package_id}\n" for package_id in sorted(history)).encode())

    @property
    def config(self) -> DownloadConfig | None:
        """The last one that the server sent; None when there is none, or none that can be used."""
        file = self.path / "config.json"
        with contextlib.suppress(ValueError, TypeError, FileNotFoundError):  # of another version: as if there were none
            return DownloadConfig(**json.loads(file.read_bytes()))
        return None

    def save_config(self, config: DownloadConfig) -> None:
        """Write it down if it has changed."""
        if config != self.config:
            write_file(self.path / "config.json", json.dumps(asdict(config)).encode())

    def restore(self, ca: Authority) -> tuple[list[QueuedPackage], dict[str, str], set[str]]:
        """The queue, the results not yet accepted, the history. What cannot be used is removed, and so fetched anew."""
        queue, pending, history = [], {}, self.history
        for path in sorted(self.downloads.iterdir()):
            if path.name.startswith("."):
                shutil.rmtree(path)
                continue
            folder = Folder(path)
            if code := folder.result:
                pending[folder.id] = code
                if in_history(Dialect.NATIVE, code):
                    history.add(folder.id)
                continue
            try:
                queue.append(folder.package(ca))
            except (OSError, ValueError, KeyError, TypeError, BadInput, Corrupt):
                remove_tree(path)
        return queue, pending, history


@contextmanager
def open_state(path: Path) -> Iterator[State]:
    """The state directory, made if need be, for its user alone: packages and their output may hold secrets.

    Raises `Conflict` when another agent has it, `BadInput` if it cannot be.
    """
    try:
        path.mkdir(MODE, parents=True, exist_ok=True)
        _check_own(path)
        was_open_to = stat.S_IMODE(path.stat().st_mode) & ~MODE
        path.chmod(MODE)  # one of an earlier version too
        (path / "download").mkdir(MODE, exist_ok=True)
        lock = (path / "lock").open("w")
    except OSError as error:
        raise BadInput("--state", "a directory that can be written to", str(path), error.strerror or "") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("--state", f"another agent runs on {path}") from None
        atomic.remove_stale(path)
        yield State(path, was_open_to)


def _check_own(path: Path) -> None:
    """Raises `BadInput` for a folder of something else, `/var/lib` say: to close it to others would do harm."""
    names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    if names - {"download"} and not names & {"lock", "deviceid"}:
        raise BadInput("--state", "an empty folder, or the state of an agent", str(path))


def remove_tree(path: Path) -> None:
    """Remove a folder under a name that `State.restore` ignores, so that a half of it never counts."""
    gone = path.with_name(f".gone-{path.name}")
    shutil.rmtree(gone, ignore_errors=True)
    if path.exists():
        path.rename(gone)
        shutil.rmtree(gone)
