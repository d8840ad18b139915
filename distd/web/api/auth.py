"""Who asks: an operator by HTTP Basic, a token, or somebody for whom another vouches; and whether it may."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio
from blake3 import blake3
from quart import g
from quart_schema import security_scheme

from distd.domain import actor as actors
from distd.domain import api_tokens as tokens
from distd.domain.actor import Actor, ActorKind
from distd.domain.addresses import peer_of
from distd.domain.errors import Conflict
from distd.domain.lru import Lru
from distd.domain.permissions import Role, missing
from distd.domain.sign_in import SignInSource
from distd.origin.operators import api_tokens, operators
from distd.web.api.background_thread import BackgroundThread
from distd.web.api.login_queue import LoginQueue
from distd.web.api.problems import Forbidden, TooManyAttempts
from distd.web.sign_in.sources import NO_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.login_pauses import LoginPauses
    from distd.domain.permissions import Act, OperatorRights
    from distd.domain.sign_in import OperatorIdentity
    from distd.origin.operators.operators import KnownOperator
    from distd.web.api.login_record import LoginRecord
    from distd.web.sign_in.sources import Sources

    Route = TypeVar("Route", bound=Callable[..., Any])

# Argon2 takes 50 ms on purpose; a good password is not checked again for so long.
LOGIN_S: Final = 60.0
MAX_LOGINS: Final = 64

_ACT: Final = "_distd_act"

# Marks a route as one for operators: in the API's description, and for the check of its query's names.
for_operators: Final = security_scheme([{"operator": []}])


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who asks, and what it may."""

    actor: Actor
    access: OperatorRights


@dataclass(frozen=True, slots=True)
class _Known:
    """A password that was right: until when it is not checked again, and what it was right for."""

    until_s: float
    password_hash: str


class Logins:
    """Checks who asks. Passwords are checked one at a time, and good ones are kept (as a MAC) for a while; what an
    operator may is read for each request.

    Log-ins and wrong passwords are recorded; `on_success(peer)` hears of each request of somebody who is known.
    `sources()`: who else vouches for operators.
    """

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        record: LoginRecord,
        pauses: LoginPauses,
        on_success: Callable[[str], None],
        sources: Callable[[], Sources] = lambda: NO_SOURCES,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._record = record
        self._on_success = on_success
        self._sources = sources
        self._key = secrets.token_bytes(32)
        self._right: Lru[bytes, _Known] = Lru(MAX_LOGINS)
        self._queue = LoginQueue(self._verify, pauses)
        # Of their own: a server that does not answer delays no password that is kept here.
        self._directory_queue = LoginQueue(self._ask_directory, pauses)
        self._thread = BackgroundThread()

    async def check(self, headers: Mapping[str, str], address: str) -> SignedIn | None:
        """Who sent a request with these header fields (names in lower case) from there; None: nobody
        who is known.

        Raises `Unavailable`, and `TooManyAttempts` where so many are tried that this one has no place.
        """
        found = await self._identify(headers, address)
        if found is not None:
            self._on_success(peer_of(address))
        return found

    async def _identify(self, headers: Mapping[str, str], address: str) -> SignedIn | None:
        authorization = headers.get("authorization", "")
        if bearer := read_bearer(authorization):
            return await self._by_bearer(bearer, address)
        name, password = read_basic(authorization)
        if name:
            return await self._by_password(name, password, address)
        if authorization:
            return None
        identity = self._sources().by_header(headers, address)
        return None if identity is None else await self._admit(identity, address)

    async def check_password(self, name: str, password: str, address: str) -> str | None:
        """The operator that has this name and password, by the name that it has here; raises as `check` does."""
        found = await self._by_password(name, password, address)
        if found is None:
            return None
        self._on_success(peer_of(address))
        return found.actor.name

    async def hash_password(self, password: str) -> str:
        """What is kept of a password. Raises `BadInput`."""
        operators.check_password(password)
        return await self._thread.run(operators.hash_password, password)

    async def is_password(self, name: str, password: str, address: str) -> bool:
        """Whether this is the password of a local operator; guesses are slowed down and recorded as at the sign-in."""
        peer = peer_of(address)
        is_right = await self._queue.check(peer, name, password)
        if not is_right:
            self._record.failed(peer, name)
        return is_right

    async def _by_password(self, name: str, password: str, address: str) -> SignedIn | None:
        known, peer = await self._find(name), peer_of(address)
        login = blake3(repr((name, password)).encode(), key=self._key).digest()
        right = self._right.get(login)
        is_fresh = right is not None and right.until_s > trio.current_time()
        if known is not None and is_fresh and right is not None and right.password_hash == known.password_hash:
            return _signed_in(known, address)
        try:
            if (known is not None and known.source is SignInSource.LOCAL) or not self._sources().has_directory:
                found = known if await self._queue.check(peer, name, password) else None
            else:
                identity = await self._directory_queue.check(peer, name, password)
                found = None if identity is None else await self._enter(identity, address)
        except TooManyAttempts:
            self._record.not_checked(peer, name)
            raise
        if found is None:
            self._record.failed(peer, name)
            return None
        self._right.put(login, _Known(trio.current_time() + LOGIN_S, found.password_hash))
        self._record.succeeded(peer, name)
        return _signed_in(found, address)

    async def _by_bearer(self, bearer: str, address: str) -> SignedIn | None:
        peer, now_s = peer_of(address), time.time()
        if not tokens.is_token(bearer):
            identity = await self._sources().by_bearer(bearer)
            if identity is not None:
                return await self._admit(identity, address)
        else:
            token = await self._reader.run(partial(api_tokens.find, token=bearer, now_s=now_s))
            if token is not None:
                if token.used_at_s is None or now_s - token.used_at_s >= api_tokens.USED_S:
                    await self._writer.run(partial(api_tokens.mark_used, name=token.name, address=address, now_s=now_s))
                return SignedIn(Actor(ActorKind.TOKEN, token.name, address), token.access)
        self._record.failed(peer, "a token")
        return None

    async def _admit(self, identity: OperatorIdentity, address: str) -> SignedIn | None:
        """Somebody for whom another vouches, without a password."""
        known = await self._find(identity.name)
        is_new = known is None or known.source is not identity.source or not _is_up_to_date(known, identity)
        found = await self._enter(identity, address) if is_new else known
        if found is None:
            return None
        self._record.succeeded(peer_of(address), identity.name)
        return _signed_in(found, address)

    async def _enter(self, identity: OperatorIdentity, address: str) -> KnownOperator | None:
        who = actors.operator(identity.name, address)
        try:
            await self._writer.run(partial(operators.admit, actor=who, identity=identity, now_s=time.time()))
        except Conflict as error:
            self._sources().log.warning("sign-in by %s: %s", identity.source, error)
            return None
        return await self._find(identity.name)

    async def _find(self, name: str) -> KnownOperator | None:
        return await self._reader.run(partial(operators.find, name=name))

    async def _verify(self, name: str, password: str) -> bool:
        known = await self._find(name)
        return await self._thread.run(operators.verify, None if known is None else known.password_hash, password)

    async def _ask_directory(self, name: str, password: str) -> OperatorIdentity | None:
        return await self._sources().by_password(name, password)


def header_fields(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields as ASGI has them, by their names in lower case. One that comes twice counts as empty: a proxy may
    have added its own to that of a client."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        found[key] = "" if key in found else value.decode("latin-1")
    return found


def needs(act: Act) -> Callable[[Route], Route]:
    """Marks a route as one for operators who may `act`."""

    def decorate(route: Route) -> Route:
        setattr(route, _ACT, act)
        return for_operators(route)

    return decorate


def act_of(route: object) -> Act | None:
    """What a route needs; None: nothing is said, so an administrator in person."""
    return getattr(route, _ACT, None)


def demand(signed_in: SignedIn, act: Act | None) -> None:
    """Raise `Forbidden` for somebody who may not `act`."""
    access = signed_in.access
    if act is None:
        is_administrator = access.role is Role.ADMINISTRATOR and not access.filter and not access.is_token
        lacking = "" if is_administrator else "an administrator"
    else:
        lacking = missing(access, act)
    if lacking:
        raise Forbidden("access", lacking, f"{signed_in.actor}, {access.role}")


def use(signed_in: SignedIn) -> None:
    """From now on this request is that of `signed_in`."""
    g.signed_in = signed_in


def signed_in() -> SignedIn:
    """Who sent this request."""
    found: SignedIn = g.signed_in
    return found


def acting_operator() -> Actor:
    """The operator or token of this request."""
    return signed_in().actor


def read_basic(authorization: str) -> tuple[str, str]:
    """The name and the password of HTTP Basic (RFC 7617); both empty for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (name, password) if scheme.lower() == "basic" else ("", "")


def read_bearer(authorization: str) -> str:
    """The token of a bearer (RFC 6750); empty for anything else."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _signed_in(known: KnownOperator, address: str) -> SignedIn:
    return SignedIn(actors.operator(known.name, address), known.access)


def _is_up_to_date(known: KnownOperator, identity: OperatorIdentity) -> bool:
    """Whether nothing is to be written of a sign-in."""
    is_seen = known.seen_at_s is not None and time.time() - known.seen_at_s < operators.SEEN_S
    same_filter = identity.filter is None or identity.filter == known.access.filter
    return is_seen and same_filter and known.access.role is identity.role
