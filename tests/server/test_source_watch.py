"""Watched sources: files here and on an https server, from the look to the package."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
import threading
import zipfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Conflict, Unavailable
from distd.domain.settings import settings_of
from distd.domain.watched_source import SETTLED_S
from distd.origin.installation import Installation
from distd.origin.jobs import jobs, work
from distd.origin.packages import packages, watched_sources
from distd.origin.packages.watched_sources import NewSource
from distd.packaging import builder, source_version
from distd.server import source_watch
from distd.server.source_watch import SourceWatch
from distd.storage import pki
from tests.fixtures.origin import new_package, package_store, publish
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fixtures.origin import TestOrigin

__all__ = ["new_package", "package_store", "publish"]
LOG = logging.getLogger("distd.test")
EVERY_S = 60


@dataclass
class Site:
    """A watch, and a clock that the test moves."""

    origin: TestOrigin
    installation: Installation
    watch: SourceWatch
    package_id: str
    values: dict[str, Any]

    async def look(self) -> None:
        self.origin.now_s += EVERY_S
        for source in await self.watch._take():
            await self.watch.look(source)

    def follow(self) -> str:
        """The package that the waiting job makes."""
        job = self.origin.write(jobs.take, self.origin.now_s, 1)
        work.do(self.installation, job, lambda _done, _total: None)
        found: str = self.origin.read(jobs.show, str(job.id)).package
        return found

    @property
    def source(self) -> watched_sources.WatchedSource:
        found: watched_sources.WatchedSource = self.origin.read(watched_sources.show, "it")
        return found

    def add(self, place: str) -> None:
        new = NewSource("it", self.package_id, place, EVERY_S)
        self.origin.act(watched_sources.create, new, self.origin.now_s)


@pytest.fixture
def site(origin: TestOrigin, data: Any, reader: Any, writer: Any, publish: Any, tmp_path: Path) -> Site:
    package_id = publish().id
    origin.act(packages.activate, package_id, None, None, origin.now_s)
    origin.now_s = 2_000_000_000.0
    values: dict[str, Any] = {"sources.folders": str(tmp_path / "srv"), "sources.ca": str(data.ca_certificate)}
    watch = SourceWatch(data, reader, writer, lambda: settings_of(values), LOG, lambda: origin.now_s)
    return Site(origin, Installation(data, settings_of(values), origin.catalogue), watch, package_id, values)


@dataclass
class WebServer:
    """Answers every GET over TLS with `status`, `fields` and `body`; notes the heads that came."""

    data: Any
    body: bytes = b"one"
    status: str = "200 OK"
    fields: list[str] = field(default_factory=lambda: ['ETag: "1"', "Last-Modified: Fri, 27 Nov 2026 10:00:00 GMT"])
    length: int | None = None
    chunked: bool = False
    heads: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, stream: trio.abc.Stream, context: ssl.SSLContext) -> None:
        secure = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                some = await secure.receive_some(4096)
                if not some:
                    return
                head += some
            self.heads.append(bytes(head))
            length = len(self.body) if self.length is None else self.length
            frame = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {length}"
            lines = [f"HTTP/1.1 {self.status}", *self.fields, frame, "", ""]
            await secure.send_all("\r\n".join(lines).encode("latin-1") + self.body)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(secure)


@pytest.fixture
async def web(data: Any) -> AsyncIterator[WebServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(data.keys / pki.SERVER_CERTIFICATE, data.keys / pki.SERVER_KEY)
    server = WebServer(data)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_tcp, lambda stream: server.serve(stream, context), 0, host="127.0.0.1")
        )
        server.port = listeners[0].socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


async def test_a_new_version_of_a_folder_supersedes_the_package(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "srv/putty"
    folder.mkdir(parents=True)
    (folder / "putty.txt").write_bytes(b"one")
    site.origin.prolog()
    site.origin.assign(site.package_id)
    site.add(str(folder))
    await site.look()
    (folder / "putty.txt").write_bytes(b"two")
    await site.look()
    new = site.follow()
    assert new != site.package_id
    assert site.origin.read(packages.show, site.package_id).superseded_by == new
    assert [each.device_id for each in site.origin.results(new)] == ["pc"], "the assignment follows"
    await site.look()
    assert (site.source.package_id, site.source.job, site.source.why) == (new, None, "")


async def test_a_folder_that_changes_before_the_job_begins_is_looked_at_again(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "srv/putty"
    folder.mkdir(parents=True)
    site.add(str(folder))
    await site.look()
    for name in ("a", "b"):
        (folder / name).write_bytes(b"new")
        if name == "a":
            await site.look()
    with pytest.raises(Exception, match="it was changed meanwhile"):
        site.follow()


@pytest.mark.parametrize("form", ["folder", "zip"])
async def test_what_is_packed_is_what_was_digested(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Another content under the time and the length that it had, once the members are found."""
    folder = tmp_path / "srv/putty"
    folder.mkdir(parents=True)
    written = folder / "a.zip" if form == "zip" else folder / "a.txt"
    for content in (b"nil", b"one"):
        with zipfile.ZipFile(written, "w") as file:
            file.writestr("name", content)
        if content == b"nil":
            site.add(str(written if form == "zip" else folder))
        await site.look()
    times = (state := written.stat()).st_atime_ns, state.st_mtime_ns
    check = builder.check

    def swap(*args: Any) -> Any:
        found = check(*args)
        written.write_bytes(written.read_bytes().replace(b"one", b"two"))
        os.utime(written, ns=times)
        return found

    monkeypatch.setattr(builder, "check", swap)
    with pytest.raises(Conflict, match="it was changed meanwhile"):
        site.follow()
    monkeypatch.undo()
    assert site.origin.read(packages.show, site.package_id).superseded_by is None


async def test_a_new_version_at_a_url(site: Site, web: WebServer) -> None:
    site.add(f"https://localhost:{web.port}/dir/put%20ty.txt")
    await site.look()
    assert b"If-None-Match" not in web.heads[0]
    web.status, web.body = "304 Not Modified", b""
    await site.look()
    assert b'If-None-Match: "1"\r\n' in web.heads[1]
    assert b"If-Modified-Since: Fri, 27 Nov 2026 10:00:00 GMT\r\n" in web.heads[1]
    web.status, web.body, web.fields = "200 OK", b"one", []
    await site.look()
    assert site.source.changed_at_s is None, "the digest decides, whatever the server says"
    assert list((site.installation.data.root / "sources/1").iterdir()) == []
    web.body = b"two"
    await site.look()
    new = site.follow()
    assert site.origin.read(packages.show, new).size_bytes > 0
    assert list((site.installation.data.root / "sources/1").iterdir()) == [], "what was fetched goes with the job"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "404 Not Found"}, "answers 404"),
        ({"length": 50}, "the body ended 47 bytes early"),
        ({"length": 2_000_000}, "at most 1048576 bytes"),
        ({"body": bytes(1_048_577), "length": None, "fields": []}, "at most 1048576 bytes"),
        ({"status": "302 Found", "fields": ["Location: http://localhost/x"]}, "a redirect away from https"),
    ],
)
async def test_an_outage_is_one_line_of_the_log(
    site: Site, web: WebServer, change: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.values["sources.max_mib"] = 1
    site.add(f"https://localhost:{web.port}/putty.exe")
    before = {name: getattr(web, name) for name in change}
    for name, value in change.items():
        setattr(web, name, value)
    with caplog.at_level(logging.INFO):
        await site.look()
        await site.look()
        assert why in site.source.why
        assert len(caplog.messages) == 1
        for name, value in before.items():
            setattr(web, name, value)
        await site.look()
    assert caplog.messages[1:] == ["source it can be read again"]
    assert (site.source.why, site.source.failing_since_s) == ("", None)


async def test_what_is_too_slow_is_given_up(site: Site, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(SourceWatch, "_receive", never)
    site.values["sources.timeout_s"] = 10
    site.add(f"https://localhost:{web.port}/putty.exe")
    short, whole = 0.05, trio.move_on_after
    monkeypatch.setattr(trio, "move_on_after", lambda seconds: whole(short if seconds == 10 else seconds))
    await site.look()
    assert "has not come within 10 s" in site.source.why


async def test_a_look_ends_before_its_lease(
    site: Site, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def never(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(SourceWatch, "_fetch", never)
    site.values["sources.timeout_s"] = 10
    site.add("https://localhost:1/putty.exe")
    await site.look()
    assert site.source.why.endswith("it was not read within 610 s")


@pytest.mark.parametrize("location", ["https://[", "https://hooks..example/x"])
async def test_a_redirect_to_nowhere_ends_nothing(site: Site, web: WebServer, location: str) -> None:
    site.add(f"https://localhost:{web.port}/putty.exe")
    web.status, web.fields = "302 Found", [f"Location: {location}"]
    await site.look()
    assert site.source.failing_since_s is not None


async def test_only_validators_in_ascii_are_sent_back(site: Site, web: WebServer) -> None:
    web.fields = ['ETag: "\xe9"']
    site.add(f"https://localhost:{web.port}/putty.exe")
    await site.look()
    statement = 'UPDATE watched_sources SET hint = \'{"etag": "\\u00e9"}\''  # as versions before kept it
    site.origin.write(lambda conn: conn.exec_driver_sql(statement))
    await site.look()
    assert len(web.heads) == 2
    assert b"If-None-Match" not in web.heads[1]


async def test_paths_that_are_no_utf8(site: Site, tmp_path: Path) -> None:
    (tmp_path / "srv/it").mkdir(parents=True)
    (tmp_path / "srv/it" / os.fsdecode(b"\xe9")).symlink_to("/etc")
    site.add(str(tmp_path / "srv/it"))
    await site.look()
    assert r"\udce9" in site.source.why


async def test_what_cannot_be_removed_is_said(
    site: Site, web: WebServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    site.add(f"https://localhost:{web.port}/putty.exe")
    monkeypatch.setattr(Path, "unlink", refuse)
    await site.look()
    assert "what was fetched stays: [Errno 13] Permission denied" in caplog.text
    assert site.source.why == ""


async def test_a_fault_of_the_program_is_said_of_the_source(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def wrong(*_: object) -> None:
        raise ZeroDivisionError("of two")

    monkeypatch.setattr(SourceWatch, "_find", wrong)
    site.add("https://localhost:1/putty.exe")
    await site.look()
    assert site.source.why == "ZeroDivisionError: of two"
    assert [bool(record.exc_info) for record in caplog.records if "fault" in record.getMessage()] == [True]


async def test_a_chunked_answer_is_held_against_the_free_disk(
    site: Site, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([10**12])
    usage = shutil._ntuple_diskusage(10**12, 0, 10**12)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=next(free, 1)))
    web.chunked, web.body = True, b"3\r\none\r\n0\r\n\r\n"
    site.add(f"https://localhost:{web.port}/putty.exe")
    await site.look()
    assert "1 are free" in site.source.why
    assert list((site.installation.data.root / "sources/1").iterdir()) == []


async def test_folders_of_deleted_sources_go_when_no_job_is_left(site: Site, web: WebServer) -> None:
    site.add(f"https://localhost:{web.port}/putty.exe")
    folder = site.installation.data.root / "sources"
    await site.look()
    web.body = b"two"
    await site.look()
    await site.watch.tidy()
    site.origin.act(watched_sources.delete, "it", site.origin.now_s)
    await site.watch.tidy()
    assert [path.name for path in folder.rglob("*")] == ["1", "putty.exe"], "a job is to make a package of it"
    site.origin.act(jobs.cancel, "1", site.origin.now_s)
    await site.watch.tidy()
    assert list(folder.iterdir()) == []


async def test_what_a_look_that_was_killed_has_begun_goes(site: Site) -> None:
    site.add("https://localhost:1/putty.exe")
    folder = site.installation.data.root / "sources/1"
    folder.mkdir(parents=True)
    now_us = round(site.origin.now_s * 1_000_000)
    for name in (f".{now_us - 1}.part", f".{now_us + 1}.part", "putty.exe", "5.part"):
        (folder / name).write_bytes(b"begun")
    await site.watch.tidy()
    assert sorted(path.name for path in folder.iterdir()) == [f".{now_us + 1}.part", "5.part", "putty.exe"]


async def test_a_folder_that_does_not_answer_is_in_no_urls_way(
    site: Site, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = threading.Event()
    monkeypatch.setattr(source_version, "look", lambda *_, **__: hung.wait())
    site.add(str(tmp_path / "srv"))
    async with trio.open_nursery() as nursery:
        (source,) = await site.watch._take()
        for _ in range(source_watch.THREADS + 1):
            nursery.start_soon(site.watch.look, source)
        site.origin.act(watched_sources.delete, "it", site.origin.now_s)
        await await_until(lambda: site.watch._looks.available_tokens == 0, "all threads that look at paths are held")
        site.add(f"https://localhost:{web.port}/putty.exe")
        await site.look()
        assert site.source.digest
        nursery.cancel_scope.cancel()
    hung.set()


async def test_the_log_shows_no_query_of_a_url(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.add("https://localhost:1/putty.exe?key=secret")
    await site.look()
    assert "https://localhost:1/putty.exe?…: " in caplog.text
    assert "secret" not in caplog.text


async def test_what_is_being_written_is_looked_at_again_soon(site: Site, tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    file = tmp_path / "srv/file"
    file.write_bytes(b"one")
    site.add(str(file))
    site.values["sources.folders"] = str(tmp_path / "srv")
    os.utime(file, (site.origin.now_s + 1e6,) * 2)
    await site.look()
    assert (site.source.digest, site.source.next_at_s) == ("", site.origin.now_s + SETTLED_S)
    await site.look()
    assert site.source.digest, "its time is still to come, but nothing has changed"


async def test_a_bad_file_of_cas_is_named(site: Site) -> None:
    site.values["sources.ca"] = "none.pem"
    site.add("https://localhost:1/putty.exe")
    await site.look()
    path = site.installation.data.root / "none.pem"
    assert site.source.why.startswith(f"sources.ca: expected a file of certificates, got {path}")


async def test_it_looks_by_itself_also_after_an_outage_of_the_catalogue(
    site: Site, reader: Any, writer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_watch, "POLL_S", 0.01)
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/file").write_bytes(b"one")
    site.add(str(tmp_path / "srv/file"))
    reader.error = Unavailable("catalogue", "it is locked")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.watch.run)
        while not reader.refused:
            await trio.sleep(0.01)
        reader.error = None
        while not site.source.digest:
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    site.origin.now_s += EVERY_S
    (source,) = await site.watch._take()
    writer.error = Unavailable("catalogue", "it is locked")
    await site.watch.look(source)
    writer.error = None
    assert site.source.why == ""
