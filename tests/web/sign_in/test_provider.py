"""Tokens of an OpenID Connect provider, and the sign-in in a browser: a real one on loopback."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from distd.domain.errors import Unavailable
from distd.domain.sign_in_settings import SignInSettings
from distd.web.sign_in.provider import OidcProvider
from distd.web.sign_in.sources import SignInMember
from tests.programs.oidc_provider import oidc_provider
from tests.programs.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BACK = "https://distd.example.org/back"
VERIFIER = "v" * 43
ADA = SignInMember("ada", frozenset({"distd-admins", "staff"}))


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[str]:
    ada = {"sub": "1", "preferred_username": "ada", "groups": ["distd-admins", "staff"]}
    nameless = {"sub": "2", "groups": ["distd-admins"]}
    async with oidc_provider(tmp_path / "log", [ada, nameless]) as url:
        yield url


@pytest.fixture
def settings(issuer: str, tmp_path: Path) -> SignInSettings:
    (tmp_path / "secret").write_text("of distd\n")
    secret = str(tmp_path / "secret")
    return SignInSettings(oidc_issuer=issuer, oidc_client_id="distd", oidc_secret_file=secret, timeout_s=30)


def authorize(url: str, subject: str) -> str:
    """What a browser does; the code with which it comes back."""
    answer = requests.post(url, {"sub": subject}, allow_redirects=False, timeout=LIMIT_S)
    assert answer.status_code in (302, 303), answer.text
    found = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert found["state"] == ["state"]
    return found["code"][0]


def id_token(provider: OidcProvider, issuer: str, subject: str = "1") -> str:
    started = provider.start(BACK, "state", "nonce", VERIFIER)
    form = {"grant_type": "authorization_code", "code": authorize(started.url, subject), "code_verifier": VERIFIER}
    form["redirect_uri"] = BACK
    answer = requests.post(f"{issuer}/oauth2/token", form, auth=("distd", "of distd"), timeout=LIMIT_S)
    found: str = answer.json()["id_token"]
    return found


async def test_a_sign_in_in_a_browser(settings: SignInSettings) -> None:
    provider = OidcProvider(settings)
    started = provider.start(BACK, "state", "nonce", VERIFIER)
    asked = parse_qs(urlsplit(started.url).query)
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    assert VERIFIER not in started.url
    assert provider.finish(BACK, authorize(started.url, "1"), started) == ADA
    begun = provider.start(BACK, "state", "nonce", VERIFIER)
    assert provider.finish(BACK, authorize(begun.url, "1"), dataclasses.replace(begun, nonce="other")) is None
    assert provider.finish(BACK, "no code", started) is None
    nameless = provider.start(BACK, "state", "nonce", VERIFIER)
    assert provider.finish(BACK, authorize(nameless.url, "2"), nameless) is None


async def test_a_token_is_read_while_it_is_valid_and_for_us(settings: SignInSettings, issuer: str) -> None:
    provider = OidcProvider(settings)
    token = id_token(provider, issuer)
    assert provider.read(token) == ADA
    head, body, signature = token.split(".")
    assert provider.read(f"{head}.{body}.{signature[:-8]}AAAAAAAA") is None
    assert OidcProvider(dataclasses.replace(settings, oidc_client_id="other")).read(token) is None
    audience = dataclasses.replace(settings, oidc_audience="other")
    assert OidcProvider(audience).read(token) is None
    assert OidcProvider(settings, lambda: time.time() + 10_000_000).read(token) is None
    for odd in ("", "x", "a.b.c", "..", f"{head}.{body}.", "x" * 20_000):
        assert provider.read(odd) is None


async def test_a_token_that_others_have_signed_is_refused(settings: SignInSettings, issuer: str) -> None:
    provider = OidcProvider(settings)
    now_s = int(time.time())
    claims: dict[str, Any] = {"iss": issuer, "aud": "distd", "sub": "1", "exp": now_s + 600, "iat": now_s}
    claims |= {"preferred_username": "ada", "groups": ["distd-admins"]}
    foreign = RSAKey.generate_key(2048)
    assert provider.read(jwt.encode({"alg": "RS256"}, claims, foreign)) is None
    symmetric = OctKey.import_key(b"k" * 32)
    assert provider.read(jwt.encode({"alg": "HS256"}, claims, symmetric, algorithms=["HS256"])) is None
    parts = ({"alg": "none"}, claims)
    unsigned = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    assert provider.read(f"{unsigned}.") is None


async def test_keys_are_kept_while_the_provider_is_away(settings: SignInSettings) -> None:
    provider = OidcProvider(settings)
    token = id_token(provider, settings.oidc_issuer)
    assert provider.read(token) == ADA
    provider._metadata = {**(provider._metadata or {}), "jwks_uri": "http://127.0.0.1:1/jwks"}
    assert provider.read(token) == ADA
    provider._fetched_at_s -= 4000
    assert provider.read(token) == ADA
    provider._fetched_at_s -= 90_000
    with pytest.raises(Unavailable, match="the OpenID Connect provider"):
        provider.read(token)


@pytest.mark.parametrize("path", ["/nowhere", ""])
async def test_what_is_no_provider_is_told(settings: SignInSettings, path: str) -> None:
    wrong = dataclasses.replace(settings, oidc_issuer=f"{settings.oidc_issuer}{path or '/'}")
    with pytest.raises(Unavailable, match=r"answers 404|it calls itself"):
        OidcProvider(wrong).read("a.b.c")
