"""A key and its certificate, replaced together, while they are in use.

The next pair is prepared beside the one in use: first `next-NAME.key`, then `next-NAME.pem`. From then on it counts:
the two are renamed to their names, and whatever a crash has left of that is done by the next `settle`. A key whose
certificate has not come yet (of a CA that is offline) waits as long as need be.

The certificates before are kept as `retired-NAME-SERIAL.pem`, so that they can be named when they are to be revoked.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from distd.domain.errors import BadInput
from distd.storage import atomic, pki

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.storage.pki import PrivateKey

MAX_RETIRED: Final = 64  # certificates of each pair
LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class Pair:
    """The names of the files of a key and its certificate."""

    name: str
    key: str
    certificate: str


SERVER: Final = Pair("server", pki.SERVER_KEY, pki.SERVER_CERTIFICATE)
SIGNER: Final = Pair("signer", pki.SIGNER_KEY, pki.SIGNER_CERTIFICATE)
PAIRS: Final = (SERVER, SIGNER)


def prepare(folder: Path, pair: Pair, key: PrivateKey, request: bytes) -> None:
    """Keep a key, and the request for its certificate, until that is there. What waited before is replaced."""
    with _held(folder):
        _settle(folder)
        atomic.write_file(_next(folder, pair, "csr"), request)
        pki.write_key(_next(folder, pair, "key"), key)


def waiting_key(folder: Path, pair: Pair) -> PrivateKey | None:
    """The key that waits for its certificate, if any. Raises `BadInput` when it cannot be read."""
    path = _next(folder, pair, "key")
    return pki.load_key(path) if path.exists() else None  # type: ignore[return-value]


def waiting_request(folder: Path, pair: Pair) -> bytes | None:
    """The request of the key that waits for its certificate, if any."""
    path = _next(folder, pair, "csr")
    return path.read_bytes() if path.exists() and _next(folder, pair, "key").exists() else None


def commit(folder: Path, pair: Pair, certificate: x509.Certificate) -> None:
    """From now on the key that waits, and this certificate of it, are in use. Raises `BadInput` for another key's."""
    with _held(folder):
        key = waiting_key(folder, pair)
        if key is None or key.public_key() != certificate.public_key():
            raise BadInput("certificate", f"one for the {pair.name} key that waits for it", "one for another key")
        _retire(folder, pair)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        atomic.write_file(_next(folder, pair, "pem"), pem)  # from here on it counts
        _settle(folder)


def settle(folder: Path) -> None:
    """Finish what a crash has left of `commit`. To be called before the keys are read."""
    if any(_next(folder, pair, "pem").exists() for pair in PAIRS):
        with _held(folder):
            _settle(folder)


def retired(folder: Path, pair: Pair) -> list[x509.Certificate]:
    """The certificates that were in use before, the oldest first."""
    found = []
    for path in folder.glob(f"retired-{pair.name}-*.pem"):
        with suppress(OSError, ValueError):
            found.append(x509.load_pem_x509_certificate(path.read_bytes()))
    return sorted(found, key=lambda certificate: certificate.not_valid_before_utc)


def _retire(folder: Path, pair: Pair) -> None:
    with suppress(BadInput):
        old = pki.load_certificate(folder / pair.certificate)
        path = folder / f"retired-{pair.name}-{old.serial_number:x}.pem"
        atomic.write_file(path, old.public_bytes(serialization.Encoding.PEM))
        for oldest in retired(folder, pair)[:-MAX_RETIRED]:
            (folder / f"retired-{pair.name}-{oldest.serial_number:x}.pem").unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    for pair in PAIRS:
        if _next(folder, pair, "pem").exists():
            with suppress(FileNotFoundError):  # it has its name already
                os.replace(_next(folder, pair, "key"), folder / pair.key)
            atomic.sync_folder(folder)
            os.replace(_next(folder, pair, "pem"), folder / pair.certificate)
            _next(folder, pair, "csr").unlink(missing_ok=True)
            atomic.sync_folder(folder)


def _next(folder: Path, pair: Pair, suffix: str) -> Path:
    return folder / f"next-{pair.name}.{suffix}"


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
