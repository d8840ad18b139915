"""The words for settings."""

from __future__ import annotations

import pytest

from distd.web.console.setting_words import unit_of


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("download.frag_latency_s", "s"),
        ("download.execution_timeout_min", "min"),
        ("limits.login_pause_ms", "ms"),
        ("limits.waiting_posts_mib", "MiB"),
        ("redistrib.scrub_mib_per_s", "MiB/s"),
        ("limits.large_body_bytes_per_s_per_address", "bytes/s for each address"),
        ("limits.web_requests_per_s_per_address", "a second for each address"),
        ("limits.connections", ""),
    ],
)
def test_the_unit_is_in_the_name(name: str, unit: str) -> None:
    assert unit_of(name) == unit
