"""Only the console's own pages change anything."""

from __future__ import annotations

import pytest

from distd.web.console.protection import FIELDS, is_of_this_site


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("GET", {}, True),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, True),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, True),
        ("POST", {"Sec-Fetch-Site": "same-site"}, False),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Origin": "https://h", "Host": "h"}, False),
        ("POST", {"Sec-Fetch-Site": "none"}, False),
        ("POST", {"Origin": "https://h:8443", "Host": "h:8443"}, True),
        ("POST", {"Origin": "https://evil", "Host": "h"}, False),
        ("POST", {"Origin": "http://h:8443", "Host": "h:8443"}, False),
        ("POST", {"Origin": "http://127.0.0.1:80", "Host": "127.0.0.1:80"}, True),
        ("POST", {"Origin": "http://[::1]:80", "Host": "[::1]:80"}, True),
        ("POST", {"Origin": "http://[", "Host": "["}, False),
        ("POST", {"Origin": "null", "Host": "h"}, False),
        ("POST", {"Host": "h"}, False),
        ("DELETE", {}, False),
    ],
)
def test_what_may_be_obeyed(method: str, fields: dict[str, str], expected: bool) -> None:
    assert is_of_this_site(method, fields.get) is expected


def test_no_script_or_style_within_a_page_and_none_from_elsewhere() -> None:
    policy = FIELDS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
