"""`redistrib serve --from-ocs`: copies of the packages of a server that knows nothing of mirrors."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest
import trio

from tests.programs.mirror import command, metric
from tests.programs.nginx import executable, nginx
from tests.programs.processes import DISTD, REDISTRIB, redistrib_serve
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAST = {"redistrib.poll_s": 1, "redistrib.scrub_mib_per_s": 0}
NOISE = random.Random(1).randbytes(384_000)


@pytest.fixture
def ocs(tmp_path: Path) -> Path:
    """A folder as an OCS server has it: three packages without manifests."""
    data = tmp_path / "maker"
    command(DISTD, "init", "--data", data, "--host", "localhost")
    folder = tmp_path / "ocs"
    folder.mkdir()
    for size in (5000, 200_000, 384_000):
        source = tmp_path / "source.bin"
        source.write_bytes(NOISE[:size])
        package = ("--name", f"n{size}", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x", "--fragments", 4)
        package_id = command(DISTD, "package", "build", source, *package, "--data", data)["id"]
        shutil.copytree(data / "download" / package_id, folder / package_id)
        (folder / package_id / "manifest").unlink()
    return folder


async def until(condition: Callable[[], object], what: str = "what the test waits for is so") -> None:
    await await_until(condition, what, limit_s=120, interval_s=0.1)


def same(mine: Path, theirs: Path) -> bool:
    names = sorted(path.name for path in mine.iterdir())
    if not theirs.is_dir() or sorted([*names, "manifest"]) != sorted(path.name for path in theirs.iterdir()):
        return False
    return all((mine / name).read_bytes() == (theirs / name).read_bytes() for name in names)


async def ask(address: str, request: str) -> str:
    """The whole answer to "METHOD PATH" at "host:port"."""
    host, _, port = address.rpartition(":")
    with trio.fail_after(60):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(f"{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            return b"".join([piece async for piece in stream]).decode()


def log(copies: Path) -> str:
    return copies.with_name(f"{copies.name}.serve.log").read_text()


def ids(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_all_that_a_web_server_lists(ocs: Path, tmp_path: Path) -> None:
    assert executable()
    copies = tmp_path / "copies"
    async with nginx(tmp_path / "nginx", ocs, lists=True) as web:
        source = f"http://{web.http}/download"
        async with redistrib_serve(copies, FAST, "--from-ocs", source, "--host", "localhost") as server:
            await until(lambda: metric(server.http, "redistrib_packages") == 3)
            packages = ids(ocs)
            assert all(same(ocs / package_id, copies / "download" / package_id) for package_id in packages)
            first = packages[0]
            answer = await ask(server.http, f"HEAD /download/{first}/{first}-1")
            assert "200 OK" in answer.partition("\r\n")[0]
            assert "ETag" in answer
            await until(lambda: json.loads((copies / "status.json").read_text())["connected"])
            shown = command(REDISTRIB, "status", "--data", copies)
            assert (shown["serving"], shown["connected"], shown["packages"]) == (True, True, 3)
            # Another info under the same id: nothing else is fetched again.
            fetched = metric(server.http, "redistrib_bytes_fetched")
            text = (ocs / first / "info").read_bytes().replace(b"/tmp/x", b"/tmp/y")
            (ocs / first / "info").write_bytes(text)
            await until(lambda: (copies / "download" / first / "info").read_bytes() == text)
            assert metric(server.http, "redistrib_bytes_fetched") == fetched
            # What is gone there goes here; and a server that is away takes nothing with it.
            shutil.rmtree(ocs / packages[1])
            await until(lambda: ids(copies / "download") == [packages[0], packages[2]])
    async with redistrib_serve(copies, FAST, "--from-ocs", source) as server:
        await until(lambda: f"{source}/: " in log(copies))
        assert metric(server.http, "redistrib_connected") == 0
        assert metric(server.http, "redistrib_packages") == 2
        assert "200 OK" in await ask(server.http, f"HEAD /download/{first}/{first}-1")
        # Of what it never had it knows nothing.
        assert " 404 " in (await ask(server.http, "GET /download/1700000000/1700000000-1")).partition("\r\n")[0]


async def test_named_packages_of_a_folder(ocs: Path, tmp_path: Path) -> None:
    copies, (first, second, _) = tmp_path / "copies", ids(ocs)
    options = ("--from-ocs", ocs, "--package", first, "--package", second)
    async with redistrib_serve(copies, FAST, *options):
        await until(lambda: ids(copies / "download") == [first, second])
    assert all(row["good"] for row in command(REDISTRIB, "verify", "--data", copies))
    # A share that is not mounted says nothing about packages.
    ocs.rename(tmp_path / "unmounted")
    async with redistrib_serve(copies, FAST, *options):
        await until(lambda: "No such file" in log(copies))
        assert ids(copies / "download") == [first, second]


async def test_what_its_digest_does_not_guarantee_is_never_served(ocs: Path, tmp_path: Path) -> None:
    copies, (bad, second, third) = tmp_path / "copies", ids(ocs)
    right = (ocs / bad / f"{bad}-2").read_bytes()
    (ocs / bad / f"{bad}-2").write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    async with (
        nginx(tmp_path / "nginx", ocs, lists=True) as web,
        redistrib_serve(copies, FAST, "--from-ocs", f"http://{web.http}/download") as server,
    ):
        await until(lambda: metric(server.http, "redistrib_packages") == 2)
        assert ids(copies / "download") == [second, third]
        answer = await ask(server.http, f"GET /download/{bad}/{bad}-1")
        assert f"Location: http://{web.http}/download/{bad}/{bad}-1" in answer
        (ocs / bad / f"{bad}-2").write_bytes(right)
        await until(lambda: metric(server.http, "redistrib_packages") == 3)
    assert same(ocs / bad, copies / "download" / bad)


async def test_a_bad_fragment_is_made_good_from_the_source(ocs: Path, tmp_path: Path) -> None:
    copies, (_, second, _) = tmp_path / "copies", ids(ocs)
    settings = FAST | {"redistrib.scrub_mib_per_s": 100}
    async with redistrib_serve(copies, FAST, "--from-ocs", ocs):
        await until(lambda: len(ids(copies / "download")) == 3)
    file = copies / "download" / second / f"{second}-3"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    async with redistrib_serve(copies, settings, "--from-ocs", ocs) as server:
        await until(lambda: metric(server.http, "redistrib_healed") == 1)
    assert same(ocs / second, copies / "download" / second)


async def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    refused = command(
        REDISTRIB, "serve", "--from-ocs", tmp_path, "--package", "../x", "--data", tmp_path / "c", status=2
    )
    assert "--package: expected an id of 1 to 18 digits" in refused
    assert not (tmp_path / "c").exists()
    refused = command(REDISTRIB, "serve", "--package", "12", "--data", tmp_path / "none", status=2)
    assert "--package, --ca, --host: expected --from-ocs with them" in refused
    refused = command(REDISTRIB, "serve", "--data", tmp_path / "none", status=2)
    assert "--data: expected a folder made by `redistrib join`" in refused
