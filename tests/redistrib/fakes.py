"""A mirror's packages and disk, without an origin."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from distd.domain.records import Action, Fragment, Info, Manifest
from distd.lane.backend import FileRequest
from distd.storage.data_dir import DataDir
from distd.storage.incoming import IncomingFragments
from distd.storage.quota import DiskLimits
from distd.wire import manifest, ocs_info
from redistrib.local_packages import LocalPackages
from tests.fixtures.client import file_handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

    from distd.storage.pki import Signer
    from tests.fixtures.client import FakeClient

log = logging.getLogger("test")
NO_CA: Any = None  # of those who need none: their identity is of an earlier version


@dataclass(frozen=True)
class Package:
    """A package of an origin: what it has to serve, and what guarantees it."""

    id: str
    contents: tuple[bytes, ...]
    manifest: Manifest
    signed: bytes
    info: bytes

    @property
    def fragments(self) -> tuple[Fragment, ...]:
        return self.manifest.fragments

    def files(self) -> Iterator[tuple[str, bytes]]:
        yield "manifest", self.signed
        yield "info", self.info
        for fragment, content in zip(self.fragments, self.contents, strict=True):
            yield f"{self.id}-{fragment.number}", content

    def serve(self, client: FakeClient, base: str) -> None:
        """Have it at a download folder's URL."""
        for name, content in self.files():
            client.handlers[f"{base}/{self.id}/{name}"] = file_handler(content, f'"{blake3(content).hexdigest()}"')

    def install(self, data: DataDir) -> Path:
        """Have it on the disk; its folder."""
        folder = data.package(self.id)
        folder.mkdir()
        for name, content in self.files():
            (folder / name).write_bytes(content)
        return folder


def make_package(
    signer: Signer, package_id: str, *contents: bytes, version: int = 1, digest: str = "0" * 32
) -> Package:
    """A package of these fragments, signed. `digest`: what its info says, of all fragments together."""
    info = ocs_info.render(Info(package_id, 5, Action.STORE, "/tmp/x", len(contents), digest))
    fragments = tuple(Fragment(n, len(content), blake3(content).digest()) for n, content in enumerate(contents, 1))
    size = sum(map(len, contents))
    record = Manifest(package_id, version, size, b"", b"", b"", blake3(info).digest(), fragments)
    return Package(package_id, contents, record, manifest.sign(record, signer.key, signer.certificate_der), info)


def make_local(root: Path, ca: x509.Certificate, limits: DiskLimits = DiskLimits()) -> LocalPackages:  # noqa: B008 - a value
    """An empty mirror's disk."""
    data = DataDir(root)
    for folder in (data.download, data.fragments, root / "incoming"):
        folder.mkdir(parents=True)
    return LocalPackages(data, ca, IncomingFragments(data, root / "incoming"), limits)


def change_byte(path: Path, position: int = 0) -> None:
    """A bad disk: one byte of a file is another; its links, too."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def file_request(name: str, token: str = "") -> FileRequest:
    """An agent's request for a file of a package: "17-1", "17-info"."""
    package_id, _, file = name.partition("-")
    number = int(file) if file.isdecimal() else 0
    return FileRequest(f"{package_id}/{name if number else file}", package_id, number, token, 0, "10.0.0.1", "http")


def refuse(located: object) -> None:
    """In the place of an answer that is not to come."""
    raise AssertionError(located)
