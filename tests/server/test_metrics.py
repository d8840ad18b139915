"""/metrics: what it says, and that the reference says what it means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from distd.cli.main import run
from distd.server.metrics import CONDITIONS, COUNTERS, GAUGES, POST_HISTOGRAM
from tests.programs.processes import distd_serve
from tests.programs.waiting import LIMIT_S, await_until

NAMES = [name for name, *_ in (*COUNTERS, *GAUGES)] + [CONDITIONS[0], POST_HISTOGRAM[0], "distd_info"]


def test_every_metric_stands_in_the_reference() -> None:
    reference = (Path(__file__).parents[2] / "distd/docs/reference/metrics.md").read_text()
    assert [name for name in NAMES if not re.search(rf"`{name}[`{{]", reference)] == []


async def ask(address: Any, request: Any) -> Any:
    host, port = address.rsplit(":", 1)
    with trio.fail_after(LIMIT_S):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(request.encode() + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            return b"".join([piece async for piece in stream]).decode()


async def samples(address: Any) -> Any:
    """{(name, label's value or ""): value}"""
    head, _, body = (await ask(address, "GET /metrics")).partition("\r\n\r\n")
    assert "text/plain" in head
    families = text_string_to_metric_families(body)
    return {(s.name, next(iter(s.labels.values()), "")): s.value for family in families for s in family.samples}


@pytest.fixture
def data(tmp_path: Path) -> Any:
    assert run(["init", "--data", str(tmp_path / "site"), "--host", "localhost"]) == 0
    return tmp_path / "site"


async def test_one_process(data: Any) -> None:
    async with distd_serve(data) as site:
        for _ in range(3):
            assert " 404 " in await ask(site.http, "GET /download/1/info")
        seen = await samples(site.http)
    assert {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name, _ in seen} >= (
        set(NAMES) - {"distd_refused_total"}  # it has a line for each limit that was met
    )
    assert seen["distd_requests_total", "404"] == 3
    assert seen["distd_connections_accepted_total", ""] == 4
    assert seen["distd_connections_handed_over_total", ""] == 1
    assert seen["distd_sent_bytes_total", ""] > 300
    assert seen["distd_workers", ""] == 1


async def test_several_workers_answer_for_all(data: Any) -> None:
    async with distd_serve(data, workers=2) as site:
        for _ in range(20):
            await ask(site.http, "GET /download/1/info")
        seen: Any = {}

        async def all_are_counted() -> bool:
            seen.update(await samples(site.http))
            return bool(seen["distd_requests_total", "404"] == 20)

        await await_until(all_are_counted, "the requests of both workers are counted", interval_s=0.1)
        assert seen["distd_workers", ""] == 2
