"""The content store: each fragment's bytes once, under their BLAKE3, as `fragments/<2 hex digits>/<62 more>`.

Package directories hold hard links to it, so any web server can serve them, and the file system counts how many
packages a fragment is in: the one whose last package is gone has a single link left. Nothing is lost when the store
is: it only saves room, and tells what is there already.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.storage import atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE_BYTES: Final = 1_048_576

# Where there can be no (further) link, a fragment stands for itself: another file system, one without links, too many.
_NO_LINK: Final = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK)


class FragmentStore:
    """The store in `root`, a folder that is made when it is needed. Any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._root / name[:2] / name[2:]

    def keep(self, file: Path | str, digest: bytes) -> None:
        """Have `file`, whose BLAKE3 is `digest`, share its bytes with the store.

        What the store has is hashed before it is trusted: a bad disk must not spoil one more package.
        """
        try:
            self._link(file, digest.hex())
        except FileExistsError:
            kept = self.path(digest)
            if hash_file(kept)[1] == digest:
                self.fetch(digest, file)
            else:
                _relink(file, kept)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise

    def fetch(self, digest: bytes, file: Path | str) -> bool:
        """Make `file` a link to the stored fragment. False: there is none, or no link can be."""
        try:
            _relink(self.path(digest), file)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            return False
        return True

    def prune(self, digests: Iterable[bytes]) -> None:
        """Forget those that no package has any more."""
        for digest in set(digests):
            _forget(self.path(digest))

    def sweep(self) -> None:
        """Forget all that no package has: after a crash."""
        for folder in self._folders():
            atomic.sweep(folder)
            for path in folder.iterdir():
                _forget(path)

    def used_bytes(self) -> int:
        return sum(entry.stat().st_size for folder in self._folders() for entry in os.scandir(folder))

    def _folders(self) -> Iterator[Path]:
        if self._root.is_dir():
            yield from self._root.iterdir()

    def _link(self, file: Path | str, name: str) -> None:
        """By text: with small fragments, making a `Path` takes longer than making a link."""
        kept = f"{self._root}/{name[:2]}/{name[2:]}"
        try:
            os.link(file, kept)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(kept), exist_ok=True)
            os.link(file, kept)


def hash_file(path: Path) -> tuple[int, bytes]:
    """Length and BLAKE3 of a file. Read, not mapped: a bad sector is an error then, and not the end of the process."""
    digest, length = blake3(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            length += len(piece)
    return length, digest.digest()


def _relink(target: Path | str, name: Path | str) -> None:
    """`name` becomes another name of `target`; it is never missing meanwhile."""
    link = Path(name)
    new = link.with_name(f"{atomic.NEW}{link.name}-{os.getpid()}")
    new.unlink(missing_ok=True)
    os.link(target, new)
    os.replace(new, link)
    new.unlink(missing_ok=True)  # replacing a link by one of the same file leaves both


def _forget(path: Path) -> None:
    """A build may link it this very moment: it then keeps its own link, and the store has it no more."""
    with suppress(FileNotFoundError):
        if path.stat().st_nlink == 1:
            path.unlink()
