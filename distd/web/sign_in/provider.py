"""An OpenID Connect provider: its tokens as bearers of the API, and the authorization code flow (PKCE) for the console.

What the provider publishes (where its parts are, its keys) is fetched once and then kept; keys again when a token names
one that is unknown, but not often.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import BadInput, Unavailable
from distd.storage.secret_files import read_secret
from distd.web.sign_in.sources import SignInMember

try:
    import requests
    from authlib.integrations.requests_client import OAuth2Session
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
except ImportError as error:
    hint = "pip install 'distd[oidc]'"
    raise BadInput("sign_in.oidc_issuer", "the libraries of OpenID Connect", "they are not installed", hint) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distd.domain.sign_in_settings import SignInSettings

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S: Final = 60  # by which clocks may differ
MAX_ANSWER_BYTES: Final = 262_144
MAX_TOKEN: Final = 16_384  # characters
KEYS_S: Final = 3600.0  # after which keys are fetched again
MAX_KEYS_AGE_S: Final = 86_400.0  # keys are used so long when the provider does not answer
UNKNOWN_KEY_S: Final = 30.0  # between two fetches for keys that are unknown


@dataclass(frozen=True, slots=True)
class StartedSignIn:
    """A sign-in that has begun: where the browser goes, and what must be kept until it comes back."""

    url: str
    state: str
    nonce: str
    verifier: str


class OidcProvider:
    """Made of the settings `sign_in.oidc_*`. Its methods block; one thread at a time should fetch keys, several may
    read tokens. `clock()` gives Unix time."""

    def __init__(self, settings: SignInSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._metadata: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._fetched_at_s = 0.0
        self._tried_at_s = 0.0

    def read(self, token: str) -> SignInMember | None:
        """Whose ID token or access token it is; None: it is not valid here. Raises `Unavailable`."""
        if len(token) > MAX_TOKEN or token.count(".") != 2:
            return None
        claims = self._claims(token)
        return None if claims is None else self._member(claims)

    def start(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> StartedSignIn:
        """Begin a sign-in in a browser. `verifier` (PKCE): 43 to 128 random characters. Raises `Unavailable`."""
        with self._session(redirect_uri) as session:
            url, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
            )
        return StartedSignIn(url, state, nonce, verifier)

    def finish(self, redirect_uri: str, code: str, started: StartedSignIn) -> SignInMember | None:
        """Who has signed in, by the code with which the browser came back. Raises `Unavailable`."""
        try:
            with self._session(redirect_uri) as session:
                tokens = session.fetch_token(
                    self._endpoint("token_endpoint"),
                    code=code,
                    code_verifier=started.verifier,
                    timeout=self._settings.timeout_s,
                )
        except requests.RequestException as error:
            raise self._unavailable(str(error)) from error
        except Exception as error:  # Authlib has no root of what a provider may answer
            if type(error).__module__.startswith("authlib."):
                return None
            raise
        claims = self._claims(str(tokens.get("id_token", "")), audience=self._settings.oidc_client_id)
        if claims is None or claims.get("nonce") != started.nonce:
            return None
        return self._member(claims)

    def _claims(self, token: str, audience: str = "") -> Mapping[str, Any] | None:
        """The claims of a token of this provider, for us, that is valid now."""
        try:
            claims = self._decode(token)
            jwt.JWTClaimsRegistry(
                now=int(self._clock()),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self._settings.oidc_issuer},
                aud={"essential": True, "value": audience or self._audience},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError, TypeError):
            return None
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        keys = self._current_keys()
        try:
            return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError):
            if self._clock() - self._tried_at_s < UNKNOWN_KEY_S:
                raise
            return jwt.decode(token, self._fetch_keys(), algorithms=list(ALGORITHMS)).claims

    def _current_keys(self) -> KeySet:
        age_s = self._clock() - self._fetched_at_s
        if self._keys is not None and age_s < KEYS_S:
            return self._keys
        try:
            return self._fetch_keys()
        except Unavailable:
            if self._keys is None or age_s > MAX_KEYS_AGE_S:
                raise
            return self._keys

    def _fetch_keys(self) -> KeySet:
        self._tried_at_s = self._clock()
        found = self._get(self._endpoint("jwks_uri"))
        try:
            self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise self._unavailable(f"its keys cannot be read: {error}") from error
        self._fetched_at_s = self._clock()
        return self._keys

    def _endpoint(self, name: str) -> str:
        if self._metadata is None:
            found = self._get(f"{self._settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self._settings.oidc_issuer:
                raise self._unavailable(f"it calls itself {found.get('issuer')!r:.200}")
            self._metadata = found
        url = self._metadata.get(name)
        if not isinstance(url, str):
            raise self._unavailable(f"it does not say its {name}")
        return url

    def _get(self, url: str) -> dict[str, Any]:
        try:
            with requests.get(
                url, timeout=self._settings.timeout_s, verify=self._verify, stream=True, allow_redirects=False
            ) as answer:
                if answer.status_code != 200:
                    raise self._unavailable(f"{url} answers {answer.status_code}")
                body = answer.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
        except (requests.RequestException, OSError) as error:
            raise self._unavailable(str(error)) from error
        if len(body) > MAX_ANSWER_BYTES:
            raise self._unavailable(f"{url} answers more than {MAX_ANSWER_BYTES} bytes")
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._unavailable(f"{url} is no JSON object")
        return found

    def _session(self, redirect_uri: str) -> OAuth2Session:
        path = self._settings.oidc_secret_file
        session = OAuth2Session(
            self._settings.oidc_client_id,
            read_secret(path, "sign_in.oidc_secret_file") if path else None,
            scope=self._settings.oidc_scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if path else "none",
        )
        session.verify = self._verify
        return session

    def _member(self, claims: Mapping[str, Any]) -> SignInMember | None:
        name, groups = claims.get(self._settings.oidc_name_claim), claims.get(self._settings.oidc_groups_claim, [])
        if not isinstance(name, str) or not name:
            return None
        listed = groups.split() if isinstance(groups, str) else groups if isinstance(groups, list) else []
        return SignInMember(name, frozenset(each for each in listed if isinstance(each, str)))

    @property
    def _audience(self) -> str:
        return self._settings.oidc_audience or self._settings.oidc_client_id

    @property
    def _verify(self) -> str | bool:
        return self._settings.oidc_ca or True

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"the OpenID Connect provider {self._settings.oidc_issuer}", why)
