"""Manual activation: what other web servers do with distd's packages, and what other clients do with distd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs.processes import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server, StartNginx


async def test_nginx_serves_the_same_folder(
    operator: Operator,
    server: Server,
    new_computer: NewComputer,
    noise: Noise,
    tmp_path: Path,
    start_nginx: StartNginx,
    certificate: tuple[Path, Path],
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(operator.ca.read_bytes() + certificate[0].read_bytes())
    source = noise(20_000)
    async with start_nginx(operator.data / "download", certificate=certificate) as mirror:
        package_id = operator.publish(
            *("STORE", "--path", tmp_path / "stored", "--fragments", 4),
            source=source,
            info_server=f"{mirror.https}/download",
            fragment_server=f"{mirror.http}/download",
        )
        computer = new_computer(operator, server, ca=bundle)
        operator.assign(package_id, computer)

        report = await computer.run()

    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
    assert operator.result(package_id, computer) == ("SUCCESS", "SUCCESS")
    names = ["info", *(f"{package_id}-{number}" for number in range(1, 5))]
    assert mirror.requests() == [(f"/download/{package_id}/{name}", 200) for name in names]


async def test_a_redirect_to_distd_is_followed(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path, start_nginx: StartNginx
) -> None:
    source = noise(20_000)
    async with start_nginx(tmp_path, moved_to=f"http://{server.http}/download") as mirror:
        package_id = operator.publish(
            *("STORE", "--path", tmp_path / "stored", "--fragments", 2),
            source=source,
            info_server=f"{server.https}/download",
            fragment_server=f"{mirror.http}/moved",
        )
        computer = new_computer(operator, server)
        operator.assign(package_id, computer)

        report = await computer.run()

    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()
    assert mirror.requests() == [(f"/moved/{package_id}/{package_id}-{number}", 302) for number in (1, 2)]


async def test_a_fragment_that_was_away_is_fetched_when_it_is_back(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path, start_nginx: StartNginx
) -> None:
    """Trap 7: a missing fragment is asked for again and again, and the package is finished when it is back."""
    source = noise(20_000)
    package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", 3, source=source)
    fragment = operator.fragment(package_id, 2)
    hidden = tmp_path / "hidden"
    fragment.rename(hidden)
    computer = new_computer(operator, server)
    operator.assign(package_id, computer)

    async with computer.started() as running:
        await running.until(f"Failed downloading {package_id}-2")
        hidden.rename(fragment)
        report = await running.ended()

    assert report.failed[0] == (f"{package_id}-2", "404 Not Found")
    assert report.codes == ((package_id, "SUCCESS"),)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_curl_resumes_inside_a_fragment(
    operator: Operator, server: Server, noise: Noise, tmp_path: Path, curl: str, scheme: str
) -> None:
    package_id = operator.publish("STORE", "--path", "/x", "--fragments", 2, source=noise(300_000))
    whole = operator.fragment(package_id, 1).read_bytes()
    begun = tmp_path / "begun"
    begun.write_bytes(whole[: len(whole) // 2])
    url = f"{scheme}://{getattr(server, scheme)}/download/{package_id}/{package_id}-1"
    command = [curl, "--silent", "--fail", "--noproxy", "*", "--cacert", str(operator.ca), "--write-out"]

    said = await run([*command, "%{http_code} %{size_download}", "-C", "-", "-o", str(begun), url])

    assert said == f"206 {len(whole) - len(whole) // 2}"
    assert begun.read_bytes() == whole
