"""`distd why`, after what the unmodified stock Unix agent did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.interop.conftest import FAST
from tests.programs.mirror import join, metric
from tests.programs.processes import distd_serve
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server, Slow
    from tests.programs.stock_agent import StockAgent


def why(operator: Operator, computer: StockAgent, package_id: str) -> list[str]:
    """The kinds of the causes, the most likely first."""
    found: Any = operator.distd("why", computer.device_id, package_id)
    return [cause["kind"] for cause in found["causes"]]


async def test_from_the_first_contact_to_the_result(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise
) -> None:
    computer = new_computer(operator, server)
    package_id = operator.publish("STORE", "--path", "INSTALL_PATH/why", source=noise(4096))
    assert why(operator, computer, package_id) == ["NOT_ASSIGNED"]
    operator.assign(package_id, computer)
    assert why(operator, computer, package_id) == ["NO_CONTACT_SINCE"]
    await computer.run()
    await operator.fetched(package_id, computer, 1)
    assert why(operator, computer, package_id) == ["SUCCEEDED"]


async def test_an_agent_with_another_ca_file(
    operator: Operator,
    server: Server,
    new_computer: NewComputer,
    noise: Noise,
    certificate: tuple[Path, Path],
) -> None:
    package_id = operator.publish("STORE", "--path", "INSTALL_PATH/why", source=noise(4096))
    computer = new_computer(operator, server, ca=certificate[0])
    operator.assign(package_id, computer)
    report = await computer.run()
    assert report.codes == ((package_id, "ERR_DOWNLOAD_INFO"),)
    (cause,) = operator.distd("why", computer.device_id, package_id)["causes"]
    assert cause["kind"] == "INFO_FAILED"
    assert "openssl s_client -connect localhost:" in cause["advice"]
    assert (
        f"curl --cacert cacert.pem -o /dev/null -f https://localhost:8443/download/{package_id}/info" in cause["advice"]
    )
    (group,) = operator.distd("why", "--package", package_id)["groups"]
    assert group["sentence"] == "1 not reaching the HTTPS port, or refusing its certificate"


async def test_an_agent_whose_fragments_are_on_a_dead_server(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise
) -> None:
    package_id = operator.publish(
        *("STORE", "--path", "INSTALL_PATH/why"),
        source=noise(4096),
        info_server=f"{server.https}/download",
        fragment_server="127.0.0.1:9/files",
    )
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)
    async with computer.started():
        await await_until(lambda: operator.result(package_id, computer)[0] == "NOTIFIED", "the agent is notified")
    assert why(operator, computer, package_id) == ["ELSEWHERE"]


async def test_a_name_that_is_not_in_the_certificate(slow: Slow, new_computer: NewComputer, noise: Noise) -> None:
    operator, _ = slow
    settings = operator.data / "distd.toml"
    text = settings.read_text("utf-8")
    settings.write_text(text.replace('host = "localhost"', 'host = "127.1"'), "utf-8")  # 127.0.0.1 by another name
    assert text != settings.read_text("utf-8")
    async with distd_serve(operator.data, FAST) as server:
        package_id = operator.publish("STORE", "--path", "INSTALL_PATH/why", source=noise(4096))
        computer = new_computer(operator, server)
        operator.assign(package_id, computer)
        report = await computer.run()
        assert report.codes == ((package_id, "ERR_DOWNLOAD_INFO"),)
        assert why(operator, computer, package_id) == ["INFO_FAILED", "CERTIFICATE_NAME"]


async def test_a_mirror_that_is_gone(slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path) -> None:
    operator, serve = slow
    async with serve() as server:
        mirror = join(operator.data, server.https_url, tmp_path, "paris", "--network", "127.0.0.0/8")
        options = ("--path", "INSTALL_PATH/why", "--fragments", 8)
        package_id = operator.publish("STORE", *options, source=noise(40_000))
        computer = new_computer(operator, server)
        operator.assign(package_id, computer)
        async with mirror.serve():
            await await_until(lambda: metric(server.http, "distd_mirrors_ready") >= 1, "the mirror is ready")
            async with computer.started() as running:
                await running.until(f"Success downloading {package_id}-1")
        lost = "it is told that the mirror is gone"
        await await_until(lambda: "MIRROR_LOST" in why(operator, computer, package_id), lost)
