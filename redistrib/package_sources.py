"""Sources of packages that know nothing of mirrors: a genuine OCS server, any web server, a folder.

BASE/<id>/info      BASE/<id>/<id>-1 … <id>-N      and, to find the packages, what BASE/ lists
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, Protocol, TypeVar

import trio

from distd.domain.backoff import Backoff
from distd.domain.errors import BadInput, Corrupt, TooLarge, Unavailable
from distd.storage.partial_file import PartialFile
from distd.wire.ocs_info import MAX_INFO_BYTES
from redistrib.download import Download, Downloader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from distd.lane.client.http_client import Client, Response
    from redistrib.download import Traffic

    T = TypeVar("T")

MAX_LIST_BYTES: Final = 16_777_216
MAX_LIST_S: Final = 300.0
MAX_INFO_S: Final = 30.0
PIECE_BYTES: Final = 1_048_576
MAX_TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.2
MAX_PAUSE_S: Final = 10.0

_LISTED: Final = re.compile(r'href="(?:[^"]*/)?([1-9][0-9]{0,17})/?"', re.IGNORECASE)
_ID: Final = re.compile(r"[1-9][0-9]{0,17}")


class PackageSource(Protocol):
    """Where packages are copied from. Each method raises `Unavailable` when the source does not answer as it should."""

    async def list_ids(self) -> list[str]:
        """The ids of the packages that are there, lowest first."""

    async def read_info(self, package_id: str) -> bytes | None:
        """The info of a package; None: there is no such package (any more)."""

    async def fetch_fragment(self, package_id: str, number: int, path: Path, limit_bytes: int) -> None:
        """Fetch a fragment into a new file at `path`, which exists only once it is whole.

        Raises `TooLarge` for one of more bytes, as soon as that is known.
        """


class WebSource:
    """A folder behind a web server; `base` is its URL. Redirects are followed on its host only."""

    def __init__(self, client: Client, base: str, traffic: Traffic) -> None:
        self._client = client
        self._downloader = Downloader(client, traffic, same_host=True)
        self._base = base.rstrip("/")

    async def list_ids(self) -> list[str]:
        """From the page that lists the folder."""
        answer = await self._get(f"{self._base}/", MAX_LIST_BYTES, MAX_LIST_S)
        if answer.status != 200:
            why = f"HTTP {answer.status}: it does not list its packages; name them by --package"
            raise Unavailable(f"{self._base}/", why)
        return sorted(set(_LISTED.findall(answer.body.decode("utf-8", "replace"))), key=int)

    async def read_info(self, package_id: str) -> bytes | None:
        """See `PackageSource`."""
        url = f"{self._base}/{package_id}/info"
        answer = await self._get(url, MAX_INFO_BYTES, MAX_INFO_S)
        if answer.status in (404, 410):
            return None
        if answer.status != 200:
            raise Unavailable(url, f"HTTP {answer.status}")
        return answer.body

    async def _get(self, url: str, limit_bytes: int, limit_s: float) -> Response:
        with trio.move_on_after(limit_s):
            return await self._client.request("GET", url, max_body_bytes=limit_bytes, downgrade=False, same_host=True)
        raise Unavailable(url, f"it has not come within {limit_s:g} s")

    async def fetch_fragment(self, package_id: str, number: int, path: Path, limit_bytes: int) -> None:
        """A download that was cut off goes on where it was, if the server says by its ETag that the file is the same.

        Raises `Corrupt` for an answer that cannot be right; else see `PackageSource`.
        """
        url = f"{self._base}/{package_id}/{package_id}-{number}"
        with PartialFile(path, hashed=False, resume=False) as file:
            try:
                await self._download(url, Download(file, limit_bytes=limit_bytes))
                await trio.to_thread.run_sync(file.commit)
            finally:
                file.discard()
        self._downloader.traffic.fragments += 1

    async def _download(self, url: str, download: Download) -> None:
        backoff = Backoff(FIRST_PAUSE_S, MAX_PAUSE_S, factor=4)
        for attempt in range(1, MAX_TRIES + 1):
            try:
                await self._downloader.append_rest(url, download)
            except (Unavailable, Corrupt):
                if attempt == MAX_TRIES:
                    raise
            else:
                return
            await trio.sleep(backoff.next_s())


class FolderSource:
    """A folder that is mounted here."""

    def __init__(self, folder: Path, traffic: Traffic) -> None:
        self._folder = folder
        self._traffic = traffic

    async def list_ids(self) -> list[str]:
        """See `PackageSource`."""

        def read() -> list[str]:
            folders = (path for path in self._folder.iterdir() if _ID.fullmatch(path.name))
            return sorted((path.name for path in folders if (path / "info").is_file()), key=int)

        return await self._run(read)

    async def read_info(self, package_id: str) -> bytes | None:
        """See `PackageSource`."""

        def read() -> bytes | None:
            info = self._folder / package_id / "info"
            with suppress(FileNotFoundError, NotADirectoryError), _open_regular(info) as file:
                return file.read(MAX_INFO_BYTES + 1)
            self._folder.stat()  # a folder that is not mounted says nothing of its packages
            return None

        return await self._run(read)

    async def fetch_fragment(self, package_id: str, number: int, path: Path, limit_bytes: int) -> None:
        """See `PackageSource`."""
        source = self._folder / package_id / f"{package_id}-{number}"

        def copy() -> int:
            with PartialFile(path, hashed=False, resume=False) as file:
                try:
                    with _open_regular(source) as data:
                        while piece := data.read(PIECE_BYTES):
                            if file.size_bytes + len(piece) > limit_bytes:
                                raise TooLarge(source.name, f"at most {limit_bytes} bytes", "more")
                            file.append((piece,))
                    file.commit()
                finally:
                    file.discard()
            return file.size_bytes

        self._traffic.received_bytes += await self._run(copy)
        self._traffic.fragments += 1

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(call)
        except OSError as error:
            raise Unavailable(str(error.filename or self._folder), error.strerror or str(error)) from None


def _open_regular(path: Path) -> IO[bytes]:
    """A file to read. Raises `OSError`, also for what is none: a pipe would be waited for without end."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(fd, "rb")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return file


def check_ids(package_ids: Sequence[str]) -> None:
    """Raises `BadInput` for what is no package's id."""
    for package_id in package_ids:
        if not _ID.fullmatch(package_id):
            raise BadInput("--package", "an id of 1 to 18 digits", package_id)
