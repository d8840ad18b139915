"""Stock agents behind proxies with caches: squid as their proxy, nginx before the server."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.request import urlopen

from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server, Slow, StartCache

FRAGMENTS = 3


def sent_bytes(server: Server) -> int:
    """How many bytes of fragments the server has sent so far."""
    with urlopen(f"http://{server.http}/metrics", timeout=60) as answer:
        found = re.search(r"^distd_fragment_bytes_sent_total (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def get(proxy: str, url: str, **fields: str) -> tuple[int, bytes]:
    """(status, body) of a GET by a proxy, as a stock agent sends it."""
    with closing(http.client.HTTPConnection(proxy, timeout=60)) as connection:
        headers = {"User-Agent": "OCS-NG_unified_unix_agent_v2.10.0", **fields}
        connection.request("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()


async def test_what_one_computer_fetched_the_next_gets_from_the_cache(
    operator: Operator,
    server: Server,
    new_computer: NewComputer,
    noise: Noise,
    tmp_path: Path,
    start_cache: StartCache,
) -> None:
    source = noise(200_000)
    package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", FRAGMENTS, source=source)
    size_bytes = sum(operator.fragment(package_id, number).stat().st_size for number in range(1, FRAGMENTS + 1))
    async with start_cache(server.http) as proxy:
        for number in range(3):
            computer = new_computer(operator, server, proxy=proxy)
            operator.assign(package_id, computer)
            before_bytes = sent_bytes(server)

            report = await computer.run()

            assert report.failed == ()
            assert report.codes == ((package_id, "SUCCESS"),)
            assert sent_bytes(server) - before_bytes == (0 if number else size_bytes)
            # The cache has asked whether each is still the same: so the server knows who has what.
            await operator.fetched(package_id, computer, FRAGMENTS)
    assert (tmp_path / "stored" / source.name).read_bytes() == source.read_bytes()


async def test_a_computer_that_has_the_file_gets_no_304_from_a_cache(
    slow: Slow, new_computer: NewComputer, noise: Noise, tmp_path: Path, start_cache: StartCache
) -> None:
    """Trap 1: it asks with If-Modified-Since, and a 304 would be a failure for ever."""
    operator, serve = slow
    source = noise(20_000)
    async with serve() as server, start_cache(server.http) as proxy:
        package_id = operator.publish("STORE", "--path", tmp_path / "stored", "--fragments", FRAGMENTS, source=source)
        computer = new_computer(operator, server, proxy=proxy)
        operator.assign(package_id, computer)
        async with computer.started() as running:
            await running.until(f"Downloading {package_id}-2")
            await running.kill()
        names = [f"{package_id}-{number}" for number in range(1, FRAGMENTS + 1)]
        assert (computer.state / "download" / package_id / names[0]).exists()
        (computer.state / "download" / package_id / "task").write_text("".join(f"{name}\n" for name in names))

        report = await computer.run()

    assert report.failed == ()
    assert report.fetched == tuple(names)
    assert report.codes == ((package_id, "SUCCESS"),)


async def test_a_cache_never_says_304_to_an_agent_and_sees_a_withdrawal(
    operator: Operator, server: Server, noise: Noise, start_cache: StartCache
) -> None:
    package_id = operator.publish("STORE", "--path", "/x", "--fragments", 1, source=noise(200_000))
    content = operator.fragment(package_id, 1).read_bytes()
    url = f"http://{server.http}/download/{package_id}/{package_id}-1"
    async with start_cache(server.http) as proxy:
        before_bytes = sent_bytes(server)
        assert get(proxy, url) == (200, content)
        assert get(proxy, url) == (200, content)
        assert sent_bytes(server) - before_bytes == len(content)
        for when in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMT"):
            for _ in range(3):
                assert get(proxy, url, If_Modified_Since=when) == (200, content)
        assert get(proxy, url) == (200, content)

        operator.distd("package", "withdraw", package_id)

        await await_until(lambda: get(proxy, url) == (200, b""), "the cache has the empty fragment")
        assert get(proxy, url) == (200, b"")
