"""Mirrors and their origin, each a process of its own: join, follow, sync, and what may go wrong."""

from __future__ import annotations

import json
import random
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, NamedTuple

import pytest
import trio

from distd.storage import pki
from tests.programs.mirror import command
from tests.programs.processes import REDISTRIB, plain_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs.mirror import Mirror
    from tests.redistrib.origin_program import Origin

NOISE = random.Random(5).randbytes(3_000_000)


class Answer(NamedTuple):
    """`url`: after redirects."""

    status: int
    body: bytes
    url: str


async def fetch(url: str) -> Answer:
    def ask() -> Answer:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return Answer(answer.status, answer.read(), answer.url)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), url)

    return await trio.to_thread.run_sync(ask)


async def test_a_published_package_comes_by_itself(origin: Origin) -> None:
    before = origin.build(NOISE[:5000])
    async with origin.serve():
        mirror = origin.join("paris")
        async with mirror.serve():
            await origin.until_ready("paris", before)
            package_id = origin.build(NOISE)
            await origin.until_ready("paris", package_id)
            assert origin.same(mirror, package_id)
            assert origin.same(mirror, before)
            fragment = await fetch(f"http://{mirror.http}/download/{package_id}/{package_id}-1")
            assert fragment.body == origin.data.joinpath("download", package_id, f"{package_id}-1").read_bytes()
            shown = origin.show_mirror("paris")
            assert (shown["state"], shown["alive"], shown["ready"], shown["wanted"]) == ("JOINED", True, 2, 2)
            written = mirror.data / "status.json"
            await origin.until(lambda: json.loads(written.read_text())["packages"] == 2)
            assert command(REDISTRIB, "status", "--data", mirror.data)["packages"] == 2
            assert all(row["good"] for row in command(REDISTRIB, "verify", "--data", mirror.data))
            assert (await fetch(f"http://{mirror.http}/readyz")).status == 200
        await origin.until(lambda: not origin.show_mirror("paris")["alive"])


async def test_edits_and_deletions_reach_the_mirror(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("paris")
        kept, edited, withdrawn, deleted = (origin.build(NOISE[:size]) for size in (70_000, 71_000, 72_000, 73_000))
        async with mirror.serve():
            for package_id in (kept, edited, withdrawn, deleted):
                await origin.until_ready("paris", package_id)
            origin.distd("package", "edit", edited, "--path", "/tmp/other")
            origin.do("package", "delete", deleted)
            origin.do("package", "withdraw", withdrawn)
            origin.source.write_bytes(NOISE[:74_000])
            newer = origin.distd("package", "supersede", kept, origin.source)["id"]
            await origin.until_ready("paris", edited, 2)
            await origin.until_ready("paris", withdrawn, 2)
            await origin.until_ready("paris", newer)
            await origin.until(lambda: not (mirror.data / "download" / deleted).exists())
            await origin.until(lambda: not (mirror.data / "download" / kept).exists())  # no agent waits for it
            assert all(origin.same(mirror, package_id) for package_id in (edited, withdrawn, newer))
            assert mirror.fragment(withdrawn, 1).stat().st_size == 0


async def test_only_what_is_new_is_fetched(origin: Origin, tmp_path: Path) -> None:
    """By content, a version that changes little costs little."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(60):
        (tree / f"{number:02}").write_bytes(NOISE[number * 50_000 : (number + 1) * 50_000])
    async with origin.serve():
        mirror = origin.join("paris")
        options = ("--chunking", "cdc", "--fragment-size", "16KiB")
        old = origin.build(tree, *options)
        async with mirror.serve():
            await origin.until_ready("paris", old)
            before = mirror.metric("redistrib_bytes_fetched")
            (tree / "30").write_bytes(b"something new")
            new = origin.build(tree, *options)
            await origin.until_ready("paris", new)
            assert 0 < mirror.metric("redistrib_bytes_fetched") - before < 150_000
            assert origin.same(mirror, new)


async def test_a_superseded_package_gives_its_fragments_to_the_new_one(origin: Origin, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(60):
        (tree / f"{number:02}").write_bytes(NOISE[number * 50_000 : (number + 1) * 50_000])
    async with origin.serve():
        mirror = origin.join("paris")
        old = origin.build(tree, "--chunking", "cdc", "--fragment-size", "16KiB")
        async with mirror.serve():
            await origin.until_ready("paris", old)
            before = mirror.metric("redistrib_bytes_fetched")
            (tree / "30").write_bytes(b"something new")
            new = origin.distd("package", "supersede", old, tree)["id"]
            await origin.until_ready("paris", new)
            assert 0 < mirror.metric("redistrib_bytes_fetched") - before < 150_000
            await origin.until(lambda: {path.name for path in (mirror.data / "download").iterdir()} == {new})
            needed = {path.stat().st_ino for path in (mirror.data / "download" / new).glob(f"{new}-*")}
            await origin.until(
                lambda: {path.stat().st_ino for path in (mirror.data / "fragments").glob("*/*")} == needed
            )


async def test_a_mirror_of_a_mirror_needs_no_other_server(origin: Origin) -> None:
    async with origin.serve():
        near = origin.join("near")
        async with near.serve():
            far = origin.join("far", through=near)
            package_id = origin.build(NOISE)
            # One that asks for what the near mirror has not heard of yet is sent on to the origin.
            await origin.until_ready("near", package_id)
            async with far.serve():
                await origin.until_ready("far", package_id)
                assert origin.same(far, package_id)
                await origin.until(lambda: near.metric("redistrib_fragments_sent") > 0)
                assert origin.show_mirror("far")["alive"]


async def test_killed_in_the_midst_it_goes_on_where_it_was(origin: Origin) -> None:
    async with origin.serve(bandwidth__rules="500kB/s"):
        mirror = origin.join("paris")
        package_id = origin.build(NOISE, "--fragments", "2")
        async with mirror.serve() as process:
            await origin.until(lambda: arrived_bytes(mirror) > 700_000, "a part of it has come")
            await process.kill()
        before_bytes = arrived_bytes(mirror)
        assert not (mirror.data / "download" / package_id).exists()
        async with mirror.serve():
            await origin.until_ready("paris", package_id)
            assert mirror.metric("redistrib_bytes_fetched") < len(NOISE) * 1.01 - before_bytes + 100_000
        assert origin.same(mirror, package_id)


def arrived_bytes(mirror: Mirror) -> int:
    return sum(path.stat().st_size for path in (mirror.data / "incoming").iterdir())


async def test_the_origin_goes_away_and_comes_back(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("paris")
        first = origin.build(NOISE)
        async with mirror.serve():
            await origin.until_ready("paris", first)
    async with mirror.serve():
        assert (await fetch(f"http://{mirror.http}/download/{first}/{first}-1")).status == 200
        second = origin.build(NOISE[:50_000])
        async with origin.serve():
            await origin.until_ready("paris", second)
        async with origin.serve():  # and once more, while the mirror goes on
            third = origin.build(NOISE[:60_000])
            await origin.until_ready("paris", third)


async def test_sighup_reloads_settings_and_certificate(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("a")
    settings, keys = mirror.data / "redistrib.toml", mirror.data / "keys"
    async with mirror.serve() as server:
        before = ssl.get_server_certificate(split(mirror.https))
        settings.write_text("[bandwidth]\nrules = '1MB/s'\n[redistrib]\nwait_s = 5\n")
        pki.create_keys(keys, keys / "ca.pem", ["localhost"])
        server.process.send_signal(signal.SIGHUP)
        await origin.until(lambda: "only a restart applies the change of redistrib.wait_s\n" in mirror.log())
        assert ssl.get_server_certificate(split(mirror.https)) != before
        settings.write_text("[bandwidth]\nrules = 'fast'\n")
        server.process.send_signal(signal.SIGHUP)
        await origin.until(lambda: "reload: redistrib.toml: bandwidth.rules: " in mirror.log())
        assert mirror.metric("redistrib_packages") == 0


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


async def test_a_revoked_mirror_gets_nothing_more(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("paris")
        first = origin.build(NOISE[:50_000])
        async with mirror.serve():
            await origin.until_ready("paris", first)
            origin.do("mirror", "revoke", "paris")
            second = origin.build(NOISE[:60_000])
            await origin.until(lambda: "was it revoked?" in mirror.log())
            assert not (mirror.data / "download" / second).exists()
            assert (origin.show_mirror("paris")["state"], origin.ready()) == ("REVOKED", [])


@pytest.mark.parametrize("fault", ["used", "other CA", "nonsense"])
async def test_tokens_that_are_refused(origin: Origin, fault: str, tmp_path: Path) -> None:
    async with origin.serve():
        token = origin.distd("mirror", "add", "x", "--url", "http://127.0.0.1:1")["token"]
        if fault == "used":
            command(REDISTRIB, "join", origin.url, "--token", token, "--data", tmp_path / "first")
        elif fault == "other CA":
            token = token[:33] + "0" * 32
        else:
            token = "nonsense"
        done = subprocess.run(
            [REDISTRIB, "join", origin.url, "--token", token, "--data", tmp_path / "second"],
            capture_output=True,
            text=True,
            env=plain_environment(),
            check=False,
        )
        assert done.returncode in (1, 2)
        assert len(done.stderr.splitlines()) == 1
        assert "expected" in done.stderr
        assert not (tmp_path / "second" / "keys" / "mirror.json").exists()


async def test_a_flipped_byte_on_the_disk_is_found_and_healed(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("paris")
        package_id = origin.build(NOISE, "--fragments", "3")
        async with mirror.serve():
            await origin.until_ready("paris", package_id)
        path = mirror.fragment(package_id, 2)
        with path.open("r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))
        assert command(REDISTRIB, "verify", "--data", mirror.data, status=1)[0]["good"] is False
        async with mirror.serve():
            await origin.until(lambda: origin.same(mirror, package_id))
            await origin.until(lambda: mirror.metric("redistrib_healed") == 1)
            # The origin is told.
            await origin.until(lambda: "MIRROR_HEALED" in origin.event_kinds())
        assert all(row["good"] for row in command(REDISTRIB, "verify", "--data", mirror.data))


async def test_what_has_not_come_is_fetched_once_for_all_who_ask(origin: Origin) -> None:
    async with origin.serve(bandwidth__rules="1MB/s"):
        mirror = origin.join("paris")
        async with mirror.serve(redistrib__connections=1):
            package_id = origin.build(NOISE, "--fragments", "3")
            await origin.until(lambda: mirror.metric("redistrib_packages_wanted") == 1, "the mirror knows of it")
            url = f"http://{mirror.http}/download/{package_id}/{package_id}-3"
            found: list[Answer] = []

            async def ask() -> None:
                found.append(await fetch(url))

            async with trio.open_nursery() as nursery:
                for _ in range(30):
                    nursery.start_soon(ask)
            good = origin.data.joinpath("download", package_id, f"{package_id}-3").read_bytes()
            assert all(answer == Answer(200, good, url) for answer in found)
            await origin.until_ready("paris", package_id)
            assert mirror.metric("redistrib_fetch_requests") == 3


async def test_what_no_server_has_is_not_found(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("paris")
        async with mirror.serve():
            package_id = origin.build(NOISE[:5000])
            await origin.until_ready("paris", package_id)
            base = f"http://{mirror.http}/download"
            assert (await fetch(f"{base}/{package_id}/{package_id}-2")).status == 404
            assert (await fetch(f"{base}/17/17-1")).status == 404


async def test_a_quota_removes_packages_that_no_agent_needs(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("paris")
        first = origin.build(NOISE[:900_000])
        async with mirror.serve(store__quota_mib=2):
            await origin.until_ready("paris", first)
            second = origin.build(NOISE[900_000:1_900_000])
            await origin.until_ready("paris", second)
            third = origin.build(NOISE[1_900_000:2_900_000])
            origin.distd("package", "activate", third)
            await origin.until_ready("paris", third)
            assert len(list((mirror.data / "download").iterdir())) == 2


async def test_a_copied_folder_is_taken_as_if_it_had_been_fetched(origin: Origin, tmp_path: Path) -> None:
    """Media sent ahead: over the network come only the events of the origin."""
    async with origin.serve():
        mirror = origin.join("paris")
        package_id, other = origin.build(NOISE, "--fragments", "3"), origin.build(NOISE[:90_000])
        subprocess.run(["cp", "-r", origin.data / "download", tmp_path / "usb"], check=True)
        (tmp_path / "usb" / other / f"{other}-1").write_bytes(b"spoiled")
        rows = command(REDISTRIB, "import", tmp_path / "usb", "--data", mirror.data, status=1)
        assert [row["id"] for row in rows] == [package_id]
        assert origin.same(mirror, package_id)
        assert not (mirror.data / "download" / other).exists()
        async with mirror.serve():
            await origin.until_ready("paris", package_id)
            await origin.until_ready("paris", other)
            assert mirror.metric("redistrib_bytes_fetched") < 100_000
            # And beside a server that runs and cannot reach anybody.
            third = origin.build(NOISE[:80_000])
            await origin.until_ready("paris", third)


async def test_an_activation_waits_for_mirrors(origin: Origin) -> None:
    async with origin.serve():
        mirror = origin.join("paris", "--location", "FR")
        package_id = origin.build(NOISE)
        refused = ("package", "activate", package_id, "--when-ready", "90", "--site", "DE")
        assert "expected the name or location of a mirror" in origin.distd(*refused, status=2)
        waiting = origin.distd("package", "activate", package_id, "--when-ready", "90", "--site", "fr")
        assert (waiting["ready"], waiting["needed"]) == (0, 1)
        assert origin.distd("package", "show", package_id)["active"] is False
        async with mirror.serve():
            await origin.until(lambda: origin.distd("package", "show", package_id)["active"])


@pytest.mark.parametrize("via", ["direct", "steer"])
async def test_agents_fetch_from_the_mirror(origin: Origin, via: str, tmp_path: Path) -> None:
    async with origin.serve(mirrors__via=via):
        mirror = origin.join("paris", "--network", "127.0.0.0/8")
        package_id = origin.build(NOISE, "--fragments", "5", target=tmp_path / "there")
        origin.distd("package", "activate", package_id)
        async with mirror.serve():
            await origin.until_known(1)
            await origin.run_agent(tmp_path / "pc")
            origin.distd("assign", package_id, "--computer", "pc")
            order = origin.distd("mirror", "explain", "pc", package_id)["order"]
            assert order == [["paris", "network 127.0.0.0/8"]]
            await origin.run_agent(tmp_path / "pc")
            assert (tmp_path / "there" / "source.bin").read_bytes() == NOISE
            assert mirror.metric("redistrib_fragments_sent") == 5
            # Who had what from the mirror is known at the origin.
            await origin.until(lambda: origin.distd("results", package_id)["items"][0]["fragments_fetched"] == 5)


async def test_a_mirror_that_dies_costs_an_agent_nothing(origin: Origin, tmp_path: Path) -> None:
    """The native agent goes on at the next place."""
    async with origin.serve(download__frag_latency_s=1):
        mirrors = [origin.join(name) for name in ("one", "two")]
        package_id = origin.build(NOISE, "--fragments", "6", target=tmp_path / "there")
        origin.distd("package", "activate", package_id)
        async with mirrors[0].serve() as first, mirrors[1].serve() as second:
            await origin.until_known(2)
            await origin.run_agent(tmp_path / "pc")
            origin.distd("assign", package_id, "--computer", "pc")
            agent = origin.start_agent(tmp_path / "pc")
            await origin.until(lambda: count_fragments(tmp_path / "pc") >= 2)
            await first.kill()
            await origin.until(lambda: count_fragments(tmp_path / "pc") >= 4)
            await second.kill()
            _, errors = await trio.to_thread.run_sync(agent.communicate)
            assert agent.returncode == 0, errors
        assert (tmp_path / "there" / "source.bin").read_bytes() == NOISE


def count_fragments(state: Path) -> int:
    """What an agent has fetched so far; or all, once it has put them together."""
    return len([path for path in state.rglob("*") if path.is_file() and path.stat().st_size > 400_000])
