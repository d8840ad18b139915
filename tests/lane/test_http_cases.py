"""The lane, nginx and hypercorn side by side: one table of requests, one verdict or a reason why not."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.lane.http_cases import CASES
from tests.lane.http_differences import DIFFERENCES
from tests.lane.http_servers import SERVERS, verdicts
from tests.programs.nginx import installed

# Without nginx its column is left out; `make test` brings it.
COLUMNS = [server for server in SERVERS if server != "nginx" or installed()]
EXPLAINED = [
    (server, name, verdict)
    for server, reasons in DIFFERENCES.items()
    for named in reasons.values()
    for name, verdict in named.items()
]
OTHERWISE = {(server, name): verdict for server, name, verdict in EXPLAINED}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`seen(server)`: what it made of all cases. Each is asked once."""
    found = {}

    def seen(server: Any) -> Any:
        if server not in found:
            found[server] = trio.run(verdicts, server, tmp_path_factory.mktemp(server), CASES)
        return found[server]

    return seen


@pytest.mark.parametrize("server", COLUMNS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(seen: Any, server: Any, case: Any) -> None:
    """Fails too where an explained difference is none any more."""
    assert seen(server).get(case.name, "waits") == OTHERWISE.get((server, case.name), case.verdict)


def test_every_difference_is_one_and_stands_once() -> None:
    lanes = {case.name: case.verdict for case in CASES}
    assert len(lanes) == len(CASES)
    assert len(OTHERWISE) == len(EXPLAINED)
    assert [(server, name) for server, name, verdict in EXPLAINED if lanes[name] == verdict] == []
    assert [why for reasons in DIFFERENCES.values() for why in reasons if len(why) < 20] == []
