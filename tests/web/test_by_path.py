"""Which application answers."""

from __future__ import annotations

from typing import Any

import pytest

from distd.web.by_path import by_path


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"type": "lifespan"}, "api"),
        ({"type": "http", "path": "/api/v1/packages"}, "api"),
        ({"type": "http", "path": "/metrics"}, "api"),
        ({"type": "http", "path": "/"}, "console"),
        ({"type": "http", "path": "/apis"}, "console"),
        ({"type": "websocket", "path": "/x"}, "console"),
    ],
)
async def test_by_the_path(scope: Any, expected: str) -> None:
    called = []

    def application(name: str) -> Any:
        async def call(_scope: Any, _receive: Any, _send: Any) -> None:
            called.append(name)

        return call

    both: Any = by_path(application("api"), application("console"))
    await both(scope, None, None)
    assert called == [expected]
