"""The server or the computer goes down in the middle of a download, or the agent comes back too early."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server, Slow
    from tests.programs.stock_agent import StockAgent


async def deploy(
    operator: Operator, server: Server, new_computer: NewComputer, source: Path, stored: Path, fragments: int
) -> tuple[StockAgent, str]:
    """Assigned to a new computer: (the computer, the package's id)."""
    package_id = operator.publish("STORE", "--path", stored, "--fragments", fragments, source=source)
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)
    return computer, package_id


def hide(fragment: Path) -> Callable[[], Path]:
    """Remove a fragment, so that its agent is busy until it is back; the function that brings it back."""
    hidden = fragment.with_name("hidden")
    fragment.rename(hidden)
    return partial(hidden.rename, fragment)


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_the_server_goes_and_comes_back(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path, end: str
) -> None:
    operator, serve = slow
    source = noise(20_000)
    async with serve() as server:
        computer, package_id = await deploy(operator, server, new_computer, source, tmp_path / "stored", 4)
        async with computer.started() as running:
            await running.until(f"Success downloading {package_id}-1")
            getattr(server.process, end)()
            await server.process.wait()
            await running.until(f"Failed downloading {package_id}-2")
            async with serve(http=server.http, https=server.https):
                report = await running.ended()

    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
    assert operator.result(package_id, computer) == ("SUCCESS", "SUCCESS")


async def test_the_computer_goes_down_before_it_notes_a_fragment_down(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    """Trap 1: the agent asks for the file that it has with If-Modified-Since, and a 304 would be a failure for ever."""
    operator, serve = slow
    source = noise(20_000)
    async with serve() as server:
        computer, package_id = await deploy(operator, server, new_computer, source, tmp_path / "stored", 3)
        async with computer.started() as running:
            await running.until(f"Downloading {package_id}-2")
            await running.kill()
        names = [f"{package_id}-{number}" for number in (1, 2, 3)]
        folder = computer.state / "download" / package_id
        assert (folder / names[0]).exists()
        (folder / "task").write_text("".join(f"{name}\n" for name in names))

        report = await computer.run()

    assert report.failed == ()
    assert report.fetched == tuple(names)
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


async def test_a_package_that_comes_while_the_agent_is_busy_is_told_later(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    """Trap 14: the child that downloads would take it up without knowing where its fragments are, and never end."""
    operator, serve = slow
    stored = tmp_path / "stored"
    async with serve() as server:
        computer, first = await deploy(operator, server, new_computer, noise(20_000, "first.bin"), stored, 2)
        second = operator.publish("STORE", "--path", stored, source=noise(5000, "second.bin"))
        back = hide(operator.fragment(first, 2))
        async with computer.started() as busy:
            await busy.until(f"Failed downloading {first}-2")
            operator.assign(second, computer)
            between = await computer.run()
            back()
            report = await busy.ended()
        assert (between.fetched, between.codes) == ((), ())
        assert report.codes == ((first, "SUCCESS"),)
        assert {name for name, _ in report.failed} == {f"{first}-2"}
        assert operator.result(second, computer) == ("WAITING", None)

        later = await computer.run()

    assert later.codes == ((second, "SUCCESS"),)
    assert operator.result(second, computer) == ("SUCCESS", "SUCCESS")
    for name in ("first.bin", "second.bin"):
        assert (stored / name).read_bytes() == (tmp_path / name).read_bytes()


async def test_a_busy_agent_is_not_told_that_downloads_are_off(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    """Trap 15: ON=0 would end its child, and a later child would go on without knowing where the fragments are."""
    operator, serve = slow
    source = noise(20_000)
    async with serve() as server:
        computer, package_id = await deploy(operator, server, new_computer, source, tmp_path / "stored", 2)
        back = hide(operator.fragment(package_id, 2))
        async with computer.started() as busy:
            await busy.until(f"Failed downloading {package_id}-2")
            await server.kill()
            settings = operator.data / "distd.toml"
            settings.write_text(settings.read_text().replace("# on = true", "on = false"))
            async with serve(http=server.http, https=server.https):
                between = await computer.run()
                back()
                report = await busy.ended()
                idle = await computer.run()

    assert "Download is off." not in between.log
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
    assert "Download is off." in idle.log
