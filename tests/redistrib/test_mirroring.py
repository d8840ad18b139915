"""Mirrors and their origin, each a process of its own: join, follow, sync, and what may go wrong."""

from __future__ import annotations

import random
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.programs.mirror import command
from tests.programs.processes import REDISTRIB, plain_environment

if TYPE_CHECKING:
    from pathlib import Path

NOISE = random.Random(5).randbytes(3_000_000)


async def fetch(url: Any, headers: Any = ()) -> Any:
    """(status, body, url after redirects)."""

    def ask() -> Any:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=30) as answer:
                return answer.status, answer.read(), answer.url
        except urllib.error.HTTPError as error:
            return error.code, error.read(), url

    return await trio.to_thread.run_sync(ask)


async def test_a_published_package_comes_by_itself(world: Any) -> None:
    before = world.build(NOISE[:5000])
    async with world.serve():
        mirror = world.join("paris")
        async with mirror.serve():
            await world.until_ready("paris", before)
            package_id = world.build(NOISE)
            await world.until_ready("paris", package_id)
            assert world.same(mirror, package_id)
            assert world.same(mirror, before)
            one = (await fetch(f"http://{mirror.http}/download/{package_id}/{package_id}-1"))[1]
            assert one == world.data.joinpath("download", package_id, f"{package_id}-1").read_bytes()
            shown = world.listed("paris")
            assert (shown["state"], shown["alive"], shown["ready"], shown["wanted"]) == ("JOINED", True, 2, 2)
            await world.until(lambda: command(REDISTRIB, "status", "--data", mirror.data)["packages"] == 2)
            assert all(row["good"] for row in command(REDISTRIB, "verify", "--data", mirror.data))
            assert (await fetch(f"http://{mirror.http}/readyz"))[0] == 200
        await world.until(lambda: not world.listed("paris")["alive"])


async def test_what_becomes_of_a_package_becomes_of_it_everywhere(world: Any) -> None:
    async with world.serve():
        mirror = world.join("paris")
        kept, edited, withdrawn, deleted = (world.build(NOISE[:size]) for size in (70_000, 71_000, 72_000, 73_000))
        async with mirror.serve():
            for package_id in (kept, edited, withdrawn, deleted):
                await world.until_ready("paris", package_id)
            world.distd("package", "edit", edited, "--path", "/tmp/other")
            world.do("package", "delete", deleted)
            world.do("package", "withdraw", withdrawn)
            world.source.write_bytes(NOISE[:74_000])
            newer = world.distd("package", "supersede", kept, world.source)["id"]
            await world.until_ready("paris", edited, 2)
            await world.until_ready("paris", withdrawn, 2)
            await world.until_ready("paris", newer)
            await world.until(lambda: not (mirror.data / "download" / deleted).exists())
            await world.until(lambda: not (mirror.data / "download" / kept).exists())  # nobody waits for it
            assert all(world.same(mirror, package_id) for package_id in (edited, withdrawn, newer))
            assert mirror.fragment(withdrawn, 1).stat().st_size == 0


async def test_only_what_is_new_is_fetched(world: Any, tmp_path: Path) -> None:
    """By content, a version that changes little costs little."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(60):
        (tree / f"{number:02}").write_bytes(NOISE[number * 50_000 : (number + 1) * 50_000])
    async with world.serve():
        mirror = world.join("paris")
        options = ("--chunking", "cdc", "--fragment-size", "16KiB")
        old = world.build(tree, *options)
        async with mirror.serve():
            await world.until_ready("paris", old)
            before = mirror.metric("redistrib_bytes_fetched")
            (tree / "30").write_bytes(b"something new")
            new = world.build(tree, *options)
            await world.until_ready("paris", new)
            assert 0 < mirror.metric("redistrib_bytes_fetched") - before < 150_000
            assert world.same(mirror, new)


async def test_a_superseded_one_serves_the_new_one_before_it_goes(world: Any, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(60):
        (tree / f"{number:02}").write_bytes(NOISE[number * 50_000 : (number + 1) * 50_000])
    async with world.serve():
        mirror = world.join("paris")
        old = world.build(tree, "--chunking", "cdc", "--fragment-size", "16KiB")
        async with mirror.serve():
            await world.until_ready("paris", old)
            before = mirror.metric("redistrib_bytes_fetched")
            (tree / "30").write_bytes(b"something new")
            new = world.distd("package", "supersede", old, tree)["id"]
            await world.until_ready("paris", new)
            assert 0 < mirror.metric("redistrib_bytes_fetched") - before < 150_000
            await world.until(lambda: {path.name for path in (mirror.data / "download").iterdir()} == {new})
            needed = {path.stat().st_ino for path in (mirror.data / "download" / new).glob(f"{new}-*")}
            await world.until(
                lambda: {path.stat().st_ino for path in (mirror.data / "fragments").glob("*/*")} == needed
            )


async def test_a_mirror_of_a_mirror_reaches_nobody_else(world: Any) -> None:
    async with world.serve():
        near = world.join("near")
        async with near.serve():
            far = world.join("far", through=near)
            async with far.serve():
                package_id = world.build(NOISE)
                await world.until_ready("far", package_id)
                assert world.same(far, package_id)
                assert near.metric("redistrib_fragments_sent") > 0
                assert world.listed("far")["alive"]


async def test_killed_in_the_midst_it_goes_on_where_it_was(world: Any) -> None:
    async with world.serve(bandwidth__rules="1MB/s"):
        mirror = world.join("paris")
        async with mirror.serve() as process:
            package_id = world.build(NOISE, "--fragments", "2")
            await world.until(lambda: _arrived(mirror) > 700_000)
            await process.kill()
        stood = _arrived(mirror)
        assert not (mirror.data / "download" / package_id).exists()
        async with mirror.serve():
            await world.until_ready("paris", package_id)
            assert mirror.metric("redistrib_bytes_fetched") < len(NOISE) * 1.01 - stood + 100_000
        assert world.same(mirror, package_id)


def _arrived(mirror: Any) -> Any:
    return sum(path.stat().st_size for path in (mirror.data / "incoming").iterdir())


async def test_the_origin_goes_away_and_comes_back(world: Any) -> None:
    async with world.serve():
        mirror = world.join("paris")
        first = world.build(NOISE)
        async with mirror.serve():
            await world.until_ready("paris", first)
    async with mirror.serve():
        assert (await fetch(f"http://{mirror.http}/download/{first}/{first}-1"))[0] == 200
        second = world.build(NOISE[:50_000])
        async with world.serve():
            await world.until_ready("paris", second)
        async with world.serve():  # and once more, while the mirror stays
            third = world.build(NOISE[:60_000])
            await world.until_ready("paris", third)


async def test_a_revoked_mirror_gets_nothing_more(world: Any) -> None:
    async with world.serve():
        mirror = world.join("paris")
        first = world.build(NOISE[:50_000])
        async with mirror.serve():
            await world.until_ready("paris", first)
            world.do("mirror", "revoke", "paris")
            second = world.build(NOISE[:60_000])
            await world.until(lambda: "was it revoked?" in mirror.log())
            await trio.sleep(1)
            assert not (mirror.data / "download" / second).exists()
            assert (world.listed("paris")["state"], world.ready()) == ("REVOKED", [])


@pytest.mark.parametrize("fault", ["used", "other CA", "nonsense"])
async def test_tokens_that_do_not_do(world: Any, fault: Any, tmp_path: Path) -> None:
    async with world.serve():
        token = world.distd("mirror", "add", "x", "--url", "http://127.0.0.1:1")["token"]
        if fault == "used":
            command(REDISTRIB, "join", world.url, "--token", token, "--data", tmp_path / "first")
        elif fault == "other CA":
            token = token[:33] + "0" * 32
        else:
            token = "nonsense"
        done = subprocess.run(
            [REDISTRIB, "join", world.url, "--token", token, "--data", tmp_path / "second"],
            capture_output=True,
            text=True,
            env=plain_environment(),
            check=False,
        )
        assert done.returncode in (1, 2)
        assert len(done.stderr.splitlines()) == 1
        assert "expected" in done.stderr
        assert not (tmp_path / "second" / "keys" / "mirror.json").exists()


async def test_a_flipped_byte_on_the_disk_is_found_and_healed(world: Any) -> None:
    async with world.serve():
        mirror = world.join("paris")
        package_id = world.build(NOISE, "--fragments", "3")
        async with mirror.serve():
            await world.until_ready("paris", package_id)
        path = mirror.fragment(package_id, 2)
        with path.open("r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))
        assert command(REDISTRIB, "verify", "--data", mirror.data, status=1)[0]["good"] is False
        async with mirror.serve():
            await world.until(lambda: world.same(mirror, package_id))
            await world.until(lambda: mirror.metric("redistrib_healed") == 1)
            # The origin is told.
            await world.until(lambda: "MIRROR_HEALED" in _kinds(world))
        assert all(row["good"] for row in command(REDISTRIB, "verify", "--data", mirror.data))


def _kinds(world: Any) -> Any:
    from distd.catalogue import event_log
    from distd.catalogue.engine import open_catalogue

    with open_catalogue(world.data / "catalogue.db") as catalogue, catalogue.read() as conn:
        return {event.kind for event in event_log.since(conn, 0, 10_000)}


async def test_what_has_not_come_is_fetched_once_for_all_who_ask(world: Any) -> None:
    async with world.serve(bandwidth__rules="1MB/s"):
        mirror = world.join("paris")
        async with mirror.serve(redistrib__connections=1):
            package_id = world.build(NOISE, "--fragments", "3")
            await world.until(lambda: _arrived(mirror) > 0)
            url = f"http://{mirror.http}/download/{package_id}/{package_id}-3"
            found = []

            async def ask() -> None:
                found.append(await fetch(url))

            async with trio.open_nursery() as nursery:
                for _ in range(30):
                    nursery.start_soon(ask)
            good = world.data.joinpath("download", package_id, f"{package_id}-3").read_bytes()
            assert {(status, body == good, where) for status, body, where in found} == {(200, True, url)}
            await world.until_ready("paris", package_id)
            assert mirror.metric("redistrib_fetch_requests") == 3


async def test_who_asks_for_what_nobody_has_is_told_so(world: Any) -> None:
    async with world.serve():
        mirror = world.join("paris")
        async with mirror.serve():
            package_id = world.build(NOISE[:5000])
            await world.until_ready("paris", package_id)
            base = f"http://{mirror.http}/download"
            assert (await fetch(f"{base}/{package_id}/{package_id}-2"))[0] == 404
            assert (await fetch(f"{base}/17/17-1"))[0] == 404


async def test_too_little_room_drops_what_nobody_needs(world: Any) -> None:
    async with world.serve():
        mirror = world.join("paris")
        first = world.build(NOISE[:900_000])
        async with mirror.serve(store__quota_mib=2):
            await world.until_ready("paris", first)
            second = world.build(NOISE[900_000:1_900_000])
            await world.until_ready("paris", second)
            third = world.build(NOISE[1_900_000:2_900_000])
            world.distd("package", "activate", third)
            await world.until_ready("paris", third)
            assert len(list((mirror.data / "download").iterdir())) == 2


async def test_a_copied_folder_is_taken_as_if_it_had_been_fetched(world: Any, tmp_path: Path) -> None:
    """Prestaged media: nothing but the word of the origin comes by the line."""
    async with world.serve():
        mirror = world.join("paris")
        package_id, other = world.build(NOISE, "--fragments", "3"), world.build(NOISE[:90_000])
        subprocess.run(["cp", "-r", world.data / "download", tmp_path / "usb"], check=True)
        (tmp_path / "usb" / other / f"{other}-1").write_bytes(b"spoiled")
        rows = command(REDISTRIB, "import", tmp_path / "usb", "--data", mirror.data, status=1)
        assert [row["id"] for row in rows] == [package_id]
        assert world.same(mirror, package_id)
        assert not (mirror.data / "download" / other).exists()
        async with mirror.serve():
            await world.until_ready("paris", package_id)
            await world.until_ready("paris", other)
            assert mirror.metric("redistrib_bytes_fetched") < 100_000
            # And beside a server that runs and cannot reach anybody.
            third = world.build(NOISE[:80_000])
            await world.until_ready("paris", third)


async def test_an_activation_waits_for_mirrors(world: Any) -> None:
    async with world.serve():
        mirror = world.join("paris", "--location", "FR")
        package_id = world.build(NOISE)
        refused = ("package", "activate", package_id, "--when-ready", "90", "--site", "DE")
        assert "expected mirrors that have joined" in world.distd(*refused, status=2)
        waiting = world.distd("package", "activate", package_id, "--when-ready", "90", "--site", "fr")
        assert (waiting["ready"], waiting["needed"]) == (0, 1)
        await trio.sleep(1)
        assert world.distd("package", "show", package_id)["active"] is False
        async with mirror.serve():
            await world.until(lambda: world.distd("package", "show", package_id)["active"])


@pytest.mark.parametrize("via", ["direct", "steer"])
async def test_agents_fetch_from_the_mirror(world: Any, via: Any, tmp_path: Path) -> None:
    async with world.serve(mirrors__via=via):
        mirror = world.join("paris", "--network", "127.0.0.0/8")
        package_id = world.build(NOISE, "--fragments", "5", target=tmp_path / "there")
        world.distd("package", "activate", package_id)
        async with mirror.serve():
            await world.until_told(1)
            assert await _run(world.agent(tmp_path / "pc")) == 0
            world.distd("assign", package_id, "--computer", "pc")
            order = world.distd("mirror", "explain", "pc", package_id)["order"]
            assert order == [["paris", "network 127.0.0.0/8"]]
            assert await _run(world.agent(tmp_path / "pc")) == 0
            assert (tmp_path / "there" / "source.bin").read_bytes() == NOISE
            assert mirror.metric("redistrib_fragments_sent") == 5
            # Who had what from the mirror is known at the origin.
            await world.until(lambda: world.distd("results", package_id)[0]["fragments_fetched"] == 5)


async def _run(process: Any) -> Any:
    _, errors = await trio.to_thread.run_sync(process.communicate)
    assert process.returncode == 0, errors
    return process.returncode


async def test_a_mirror_that_dies_costs_an_agent_nothing(world: Any, tmp_path: Path) -> None:
    """The native agent goes on at the next place."""
    async with world.serve(download__frag_latency_s=1):
        mirrors = [world.join(name) for name in ("one", "two")]
        package_id = world.build(NOISE, "--fragments", "6", target=tmp_path / "there")
        world.distd("package", "activate", package_id)
        async with mirrors[0].serve() as first, mirrors[1].serve() as second:
            await world.until_told(2)
            assert await _run(world.agent(tmp_path / "pc")) == 0
            world.distd("assign", package_id, "--computer", "pc")
            running = world.agent(tmp_path / "pc")
            await world.until(lambda: _part(tmp_path / "pc", package_id) >= 2)
            await first.kill()
            await trio.sleep(1.5)
            await second.kill()
            assert await _run(running) == 0
        assert (tmp_path / "there" / "source.bin").read_bytes() == NOISE


def _part(state: Path, package_id: str) -> int:
    return len([path for path in state.rglob("*") if path.is_file() and path.stat().st_size > 400_000])
