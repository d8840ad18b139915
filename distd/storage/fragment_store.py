"""The content store: each fragment's bytes once, under their BLAKE3, as `fragments/<2 hex digits>/<62 more>`.

Package directories hold hard links to it, so any web server can serve them, and the file system counts how many
packages a fragment is in: one whose last package is gone has a single link left. Nothing is lost when the store is: it
only saves space, and tells what is there already. Where there can be no link, a fragment is in its package only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.storage import atomic
from distd.storage.store_usage import StoreUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

PIECE_BYTES: Final = 1_048_576


class FragmentStore:
    """The store in `root`, a folder that is made when it is needed. Any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: bytes) -> Path:
        """Where the fragment with this BLAKE3 is, if it is here."""
        name = digest.hex()
        return self._root / name[:2] / name[2:]

    def add(self, file: Path | str, digest: bytes) -> None:
        """Have `file`, whose BLAKE3 is `digest`, share its bytes with the store.

        What the store has is hashed before it is linked: a bad disk must not spoil one more package.
        """
        try:
            self._link(file, digest.hex())
        except FileExistsError:
            kept = self.path(digest)
            if hash_file(kept)[1] == digest:
                self.link_to(digest, file)
            else:
                _relink(file, kept)
        except OSError as error:
            if not atomic.is_link_refused(error):
                raise

    def link_to(self, digest: bytes, file: Path | str) -> bool:
        """Make `file` a link to the stored fragment. False: there is none, or no link can be."""
        try:
            _relink(self.path(digest), file)
        except FileNotFoundError:
            return False
        except OSError as error:
            if not atomic.is_link_refused(error):
                raise
            return False
        return True

    def remove_unused(self, digests: Iterable[bytes] | None = None) -> None:
        """Remove of the fragments with these BLAKE3s those that no package has any more.

        None: of all, and what a crash has left, which reads the whole store.
        """
        if digests is None:
            for folder in self._root.iterdir() if self._root.is_dir() else ():
                atomic.remove_stale(folder)
                for path in folder.iterdir():
                    _remove_unused(path)
        else:
            for digest in digests:
                _remove_unused(self.path(digest))

    def used_bytes(self) -> int:
        """Of all fragments, each counted once, by reading the whole store: see `store_usage`."""
        return StoreUsage(self._root).used_bytes()

    def _link(self, file: Path | str, name: str) -> None:
        """With strings: for a small fragment, making a `Path` takes longer than making a link."""
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


def _remove_unused(path: Path) -> None:
    """A build may link it at this moment: it then keeps its own link, and the store has the fragment no more."""
    with suppress(FileNotFoundError):
        if path.stat().st_nlink == 1:
            path.unlink()
