from __future__ import annotations

from typing import Any

import pytest

from loadtests.attacked_site import lost_results

ROWS = [{"device_id": "a", "code": "SUCCESS"}, {"device_id": "b", "code": "ERR_BAD_ID"}, {"device_id": "c", "code": ""}]


@pytest.mark.parametrize(
    ("computers", "deployed", "lost"),
    [
        pytest.param(["a", "b", "c"], ["a"], [], id="all is there"),
        pytest.param(["a", "d"], [], ["assignment of d"], id="a computer has gone"),
        pytest.param(["a"], ["a", "b"], ["result of b"], id="another result stands there"),
        pytest.param(["a"], ["c", "d"], ["result of c", "result of d"], id="acknowledged, and not there"),
    ],
)
def test_what_is_lost(computers: Any, deployed: Any, lost: Any) -> None:
    assert lost_results(ROWS, computers, deployed) == lost
