"""The unmodified stock Unix agent deploys what a running server tells it to."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
import trio

from tests.fixtures.databases import BOTH, POSTGRESQL
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server

# What a contact, a result, progress and an inventory read and write differs by the database. What the agent then does
# with a package does not: those tests have SQLite alone.
on_both = pytest.mark.parametrize("operator", BOTH, indirect=True, scope="session")
on_sqlite = pytest.mark.parametrize("operator", ["sqlite"], indirect=True, scope="session")


@pytest.mark.parametrize(
    ("operator", "fragments", "secure"),
    [
        pytest.param("sqlite", 1, False, id="1 fragment"),
        pytest.param("sqlite", 3, True, id="3 fragments, POSTs by HTTPS"),
        pytest.param("sqlite", 40, False, id="40 fragments"),
        pytest.param("postgresql", 40, False, id="40 fragments, PostgreSQL", marks=POSTGRESQL.marks),
    ],
    indirect=["operator"],
    scope="session",
)
async def test_store(
    operator: Operator,
    server: Server,
    new_computer: NewComputer,
    noise: Noise,
    tmp_path: Path,
    fragments: int,
    secure: bool,
) -> None:
    source = noise(fragments * 4096)
    options = ("--path", tmp_path / "stored", "--fragments", fragments)
    package_id = operator.publish("STORE", *options, source=source)
    computer = new_computer(operator, server, secure=secure)
    operator.assign(package_id, computer)
    assert operator.result(package_id, computer) == ("WAITING", None)

    report = await computer.run()

    assert report.codes == ((package_id, "SUCCESS"),)
    assert report.fetched == ("info", *(f"{package_id}-{number}" for number in range(1, fragments + 1)))
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
    assert operator.result(package_id, computer) == ("SUCCESS", "SUCCESS")
    await operator.fetched(package_id, computer, fragments)


@on_both
async def test_store_a_folder_on_several_computers(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "größe.txt").write_text("groß")
    (folder / "noise.bin").write_bytes(noise(10_000).read_bytes())
    package_id = operator.publish("STORE", "--path", "INSTALL_PATH/stored", "--fragments", 2, source=folder)
    computers = [new_computer(operator, server) for _ in range(3)]
    operator.assign(package_id, *computers)

    async with trio.open_nursery() as nursery:
        for computer in computers:
            nursery.start_soon(computer.run)

    for computer in computers:
        assert operator.result(package_id, computer) == ("SUCCESS", "SUCCESS")
        stored = computer.state / "stored"
        assert (stored / "noise.bin").read_bytes() == (folder / "noise.bin").read_bytes()
        assert (stored / "below" / "größe.txt").read_text() == "groß"


@on_sqlite
async def test_store_a_ready_zip(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path, unzip: str
) -> None:
    with zipfile.ZipFile(tmp_path / "ready.zip", "w") as archive:
        archive.write(noise(5000), "inside.bin")
    package_id = operator.publish("STORE", "--path", tmp_path / "stored", source=tmp_path / "ready.zip")
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    report = await computer.run()

    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / "inside.bin").read_bytes() == noise(5000).read_bytes()


@on_sqlite
@pytest.mark.parametrize(
    ("exit_code", "state"),
    [(0, "SUCCESS"), (3, "FAILED")],
    ids=["exit 0", "exit 3, which the agent calls a success"],
)
async def test_launch(
    operator: Operator, server: Server, new_computer: NewComputer, tmp_path: Path, exit_code: int, state: str
) -> None:
    source = tmp_path / "setup.sh"
    source.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/launched\nexit {exit_code}\n')
    package_id = operator.publish("LAUNCH", "--launch", "setup.sh /S", source=source)
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    await computer.run()

    assert (tmp_path / "launched").read_text() == "/S\n"
    assert operator.result(package_id, computer) == (state, f"SUCCESS_{exit_code}")


@on_sqlite
@pytest.mark.parametrize("with_file", [True, False], ids=["with a file", "without a file"])
async def test_execute(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path, with_file: bool
) -> None:
    source = noise(3000) if with_file else None
    command = f"cp noise.bin {tmp_path}/executed" if with_file else f"echo done > {tmp_path}/executed"
    package_id = operator.publish("EXECUTE", "--command", command, source=source)
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    report = await computer.run()

    assert report.fetched == (("info", f"{package_id}-1") if with_file else ("info",))
    assert (tmp_path / "executed").read_bytes() == (source.read_bytes() if source else b"done\n")
    assert operator.result(package_id, computer) == ("SUCCESS", "SUCCESS")


@on_both
async def test_its_inventory_is_kept_whole_and_as_it_was_sent(
    operator: Operator, server: Server, new_computer: NewComputer, tmp_path: Path
) -> None:
    computer = new_computer(operator, server)
    await computer.run()
    inventory = operator.distd("computer", "show", computer.device_id, "--document", tmp_path / "x")["inventory"]
    assert not inventory["is_cut"]
    hardware = inventory["hardware"]
    assert all(hardware[name] for name in ("NAME", "OSNAME", "OSVERSION", "MEMORY", "PROCESSORT"))
    assert inventory["cpus"][0]["CORES"].isdecimal()
    assert inventory["drives"][0]["TOTAL"].isdecimal()
    assert any(network.get("MACADDR") for network in inventory["networks"])
    document = (tmp_path / "x").read_text()
    assert f"<NAME>{hardware['NAME']}</NAME>" in document
    assert f"<DEVICEID>{computer.device_id}</DEVICEID>" in document


@on_sqlite
async def test_a_command_that_fails(operator: Operator, server: Server, new_computer: NewComputer) -> None:
    package_id = operator.publish("EXECUTE", "--command", "exit 7")
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    await computer.run()

    assert operator.result(package_id, computer) == ("FAILED", "ERR_EXECUTE")


@on_sqlite
async def test_two_priorities_at_once(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    options = ("--path", tmp_path / "stored", "--fragments", 4)
    slow = operator.publish("STORE", *options, source=noise(9000, "slow.bin"), priority=5)
    urgent = operator.publish("STORE", *options, source=noise(9000, "urgent.bin"), priority=1)
    computer = new_computer(operator, server)
    await computer.run()  # an inventory: before it no more than one package is listed
    operator.assign(slow, computer)
    operator.assign(urgent, computer)

    report = await computer.run()

    # A turn in every cycle against one in every fifth. The fifth turn of the urgent one assembles it.
    assert report.codes == ((urgent, "SUCCESS"), (slow, "SUCCESS"))
    before = report.fetched[: report.fetched.index(f"{urgent}-4")]
    assert {f"{slow}-1", f"{slow}-2"}.isdisjoint(before)
    for name in ("slow.bin", "urgent.bin"):
        assert (tmp_path / "stored" / name).read_bytes() == (tmp_path / name).read_bytes()


@on_both
async def test_absolute_priority_comes_alone_and_the_other_follows(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    """Trap 9: beside a package of priority 0 the other one would starve."""
    options = ("--path", tmp_path / "stored", "--fragments", 3)
    other = operator.publish("STORE", *options, source=noise(9000, "other.bin"), priority=1)
    first = operator.publish("STORE", *options, source=noise(9000, "first.bin"), priority=0)
    computer = new_computer(operator, server)
    await computer.run()
    operator.assign(other, computer)
    operator.assign(first, computer)

    assert (await computer.run()).codes == ((first, "SUCCESS"),)
    assert (await computer.run()).codes == ((other, "SUCCESS"),)


@on_both
async def test_a_new_package_beside_one_in_the_history_and_again_by_force(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    """Trap 2: told of a package of its history, the agent would never finish the new one beside it."""
    options = ("--path", tmp_path / "stored", "--fragments", 2)
    old = operator.publish("STORE", *options, source=noise(5000, "old.bin"))
    new = operator.publish("STORE", *options, source=noise(5000, "new.bin"))
    computer = new_computer(operator, server)
    operator.assign(old, computer)
    assert (await computer.run()).codes == ((old, "SUCCESS"),)
    (tmp_path / "stored" / "old.bin").unlink()
    # What was sent is recorded within a second or so: it proves the history.
    await await_until(lambda: operator.row(old, computer)["fragments_fetched"] == 2, "both fragments are recorded")

    operator.assign(old, computer)
    operator.assign(new, computer)
    beside = await computer.run()
    assert beside.codes == ((new, "SUCCESS"),)
    assert beside.history == (old, new)
    assert operator.result(old, computer) == ("SUCCESS", "SUCCESS_ALREADY_IN_HISTORY")
    assert not (tmp_path / "stored" / "old.bin").exists()

    operator.assign(old, computer, force=True)
    forced = await computer.run()
    assert forced.codes == ((old, "SUCCESS"),)
    assert (tmp_path / "stored" / "old.bin").read_bytes() == (tmp_path / "old.bin").read_bytes()
    assert operator.result(old, computer) == ("SUCCESS", "SUCCESS")


@on_both
async def test_a_corrupted_fragment_is_reported_and_named(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 3, source=noise(9000))
    fragment = operator.fragment(package_id, 2)
    damaged = bytearray(fragment.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    fragment.chmod(0o644)
    fragment.write_bytes(damaged)
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    report = await computer.run()

    assert report.codes == ((package_id, "ERR_BAD_DIGEST"),)
    assert not (tmp_path / "stored").exists()
    row = operator.row(package_id, computer)
    assert (row["state"], row["code"]) == ("FAILED", "ERR_BAD_DIGEST")
    assert "damaged" in row["meaning"]
    assert f"fragment 2 of {package_id}" in operator.distd("package", "verify", package_id, status=1)
