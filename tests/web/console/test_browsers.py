"""Browsers by what they send."""

from __future__ import annotations

import pytest

from distd.web.console.browsers import browser_name

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128, Windows"),
        (f"{MOZILLA} (X11; Linux x86_64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome 131, Linux"),
        (f"{MOZILLA} (X11; Linux x86_64) {WEBKIT} HeadlessChrome/131.0.0.0 Safari/537.36", "Chrome 131, Linux"),
        (f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "Edge 131, Windows"),
        (
            f"{MOZILLA} (Linux; Android 14; Pixel 8) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36",
            "Chrome 131, Android",
        ),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 14_6) {WEBKIT} Version/17.6 Safari/605.1.15", "Safari 17, macOS"),
        (
            f"{MOZILLA} (iPhone; CPU iPhone OS 17_6 like Mac OS X) {WEBKIT} Version/17.6 Mobile/15E1 Safari/604.1",
            "Safari 17, iOS",
        ),
        ("curl/8.5.0", "curl 8"),
        ("something else", ""),
        ("", ""),
    ],
)
def test_a_browser(sent: str, name: str) -> None:
    assert browser_name(sent) == name
