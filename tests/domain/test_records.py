"""Records: the kind of agent that a User-Agent tells."""

from __future__ import annotations

import pytest

from distd.domain.records import Dialect


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("OCS-NG_unified_unix_agent_v2.10.0", Dialect.UNIX),
        ("OCS-NG_WINDOWS_AGENT_v2.10.0.0", Dialect.WINDOWS),
        ("OCS-NG_windows_client_v1", Dialect.WINDOWS),
        ("distd-agent/0.2", Dialect.NATIVE),
        ("", Dialect.UNIX),
    ],
)
def test_the_dialect_of_a_user_agent(user_agent: str, expected: Dialect) -> None:
    assert Dialect.of_user_agent(user_agent) is expected
