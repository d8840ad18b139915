"""What the stock agent makes of packages that are cut by content, edited, superseded, withdrawn, imported."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.interop.test_interruptions import deploy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server, Slow

CUT = ("--chunking", "cdc", "--fragment-size", "8KiB")


async def test_fragments_of_any_length(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    source = noise(200_000)
    package_id = operator.publish("STORE", "--path", tmp_path / "stored", *CUT, source=source)
    lengths = {path.stat().st_size for path in operator.fragment(package_id, 1).parent.glob(f"{package_id}-*")}
    assert len(lengths) > 5
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    report = await computer.run()

    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


async def test_a_package_that_is_withdrawn_in_the_midst_of_it(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    operator, serve = slow
    async with serve() as server:
        computer, package_id = await deploy(operator, server, new_computer, noise(40_000), tmp_path / "stored", 5)
        async with computer.started() as running:
            await running.until(f"Success downloading {package_id}-2")
            operator.distd("package", "withdraw", package_id)
            report = await running.ended()
        again = await computer.run()

    assert report.codes == ((package_id, "ERR_BAD_DIGEST"),)
    assert (again.codes, again.fetched) == ((), ())
    assert not (tmp_path / "stored").exists()
    row = operator.row(package_id, computer)
    assert (row["code"], row["withdrawn"]) == ("ERR_BAD_DIGEST", True)
    assert operator.distd("package", "list")["items"][0]["withdrawn_at_s"] is not None


async def test_a_version_after_the_other(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    package_id = operator.publish("STORE", "--path", tmp_path / "stored", source=noise(9000, "tool.bin"))
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)
    await computer.run()
    source = noise(9500, "tool.bin")

    newer = operator.distd("package", "supersede", package_id, source, "--assignments")

    report = await computer.run()
    assert report.codes == ((newer["id"], "SUCCESS"),)
    assert (tmp_path / "stored" / "tool.bin").read_bytes() == source.read_bytes()
    assert operator.result(newer["id"], computer) == ("SUCCESS", "SUCCESS")


async def test_an_edited_package_does_what_it_says_now(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    package_id = operator.publish("STORE", "--path", tmp_path / "old", source=noise(9000))
    operator.distd("package", "edit", package_id, "--path", tmp_path / "new", "--priority", 2)
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    report = await computer.run()

    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "new" / "noise.bin").exists()
    assert not (tmp_path / "old").exists()


async def test_a_package_of_another_server(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    """Made here, moved away, and taken in again: its files are those of an OCS server."""
    source = noise(9000)
    package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 3, source=source)
    folder = tmp_path / "ocs" / "1500000001"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        shutil.copy(operator.fragment(package_id, number), folder / f"1500000001-{number}")
    info = (operator.fragment(package_id, 1).parent / "info").read_text()
    (folder / "info").write_text(info.replace(package_id, "1500000001"))

    (taken,) = operator.distd("package", "import", tmp_path / "ocs")

    assert (taken["id"], taken["fragments"], taken["os"]) == ("1500000001", 3, "LINUX")
    operator.distd("package", "activate", "1500000001")
    computer = new_computer(operator, server)
    operator.assign("1500000001", computer)
    report = await computer.run()
    assert report.codes == (("1500000001", "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
