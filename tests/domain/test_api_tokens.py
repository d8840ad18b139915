"""What a token of the API looks like."""

from __future__ import annotations

from distd.domain import api_tokens


def test_a_token_is_told_from_other_bearers() -> None:
    token = api_tokens.make(b"\xff" * 32)
    assert token.startswith("distd_")
    assert len(token) == 49
    assert api_tokens.is_token(token)
    assert not api_tokens.is_token(token + "x")
    assert not api_tokens.is_token("a.b.c")
    assert api_tokens.digest_of(token) != api_tokens.digest_of(api_tokens.make(b"\xfe" * 32))
    assert len(api_tokens.digest_of(token)) == 64
