"""The settings `notices.*`."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.settings import load


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("webhook_url", "https://hooks.example/a?b=c"),
        ("webhook_url", "http://127.0.0.1:8000/"),
        ("webhook_url", ""),
        ("webhook_url", "https://[2001:db8::1]/"),
        ("webhook_url", "https://192.0.2.1:8443/"),
        ("webhook_url", "https://my_hooks.example./"),
        ("mail_server", "mail.example:587"),
        ("mail_server", "[::1]:25"),
        ("mail_to", "ada@example.org bob@example.org"),
        ("mail_from", "distd@example.org"),
    ],
)
def test_good_ones(name: str, text: str) -> None:
    assert load({}, {}, {f"notices.{name}": text}).value(f"notices.{name}") == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("webhook_url", "http://hooks.example/"),
        ("webhook_url", "https://u:p@hooks.example/"),
        ("webhook_url", "https:///x"),
        ("webhook_url", "https://a:x/"),
        ("webhook_url", "https://hooks..example/x"),
        ("webhook_url", "https://.example/x"),
        ("webhook_url", f"https://{'a' * 64}.example/x"),
        ("mail_server", "mail..example:25"),
        ("webhook_url", "https://a/b c"),
        ("mail_server", "mail.example"),
        ("mail_server", "mail.example:0"),
        ("mail_to", "ada"),
        ("mail_to", "ada@example.org,bob@example.org"),
        ("mail_to", "a@b\r\nBcc:c@d"),
        ("mail_to", " ".join(["a@b"] * 51)),
        ("mail_from", "a@b c@d"),
        ("mail_security", "ssl"),
        ("language", "de"),
    ],
)
def test_bad_ones(name: str, text: str) -> None:
    with pytest.raises(BadInput, match=f"notices.{name}"):
        load({}, {}, {f"notices.{name}": text})
