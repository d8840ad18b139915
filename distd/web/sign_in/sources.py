"""Who else vouches for operators, behind one interface.

Each source says who somebody is and in which groups, `sign_in.roles` says which role these give. A source that does not
answer is asked again after a while only; until then its operators are told so at once, and all others sign in as ever.
"""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import trio

from distd.domain.errors import Unavailable
from distd.domain.sign_in import SignInSource, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distd.domain.sign_in import GroupRole, OperatorIdentity

    T = TypeVar("T")

MAX_THREADS: Final = 2  # of each source
RETRY_S: Final = 10.0  # a source that did not answer is not asked for so long


@dataclass(frozen=True, slots=True)
class SignInMember:
    """Who somebody is to a source: the name, and the groups (names, or DNs)."""

    name: str
    groups: frozenset[str]


class Directory(Protocol):
    """Checks passwords. Blocks, with time-outs."""

    def check(self, name: str, password: str) -> SignInMember | None:
        """Who that is; None: there is nobody of this name and password. Raises `Unavailable`."""


class Issuer(Protocol):
    """Reads tokens that it has issued. Blocks, with time-outs."""

    def read(self, token: str) -> SignInMember | None:
        """Whose it is; None: it is not valid. Raises `Unavailable`."""


@dataclass(eq=False, slots=True)
class Guarded:
    """Calls of a source, in few threads; one that fails is not called again for a while."""

    name: str
    log: logging.Logger
    threads: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(MAX_THREADS))
    failed_at_s: float | None = None

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns. Raises `Unavailable`; the first time, and after a success, it is logged."""
        now_s = trio.current_time()
        if self.failed_at_s is not None and now_s - self.failed_at_s < RETRY_S:
            raise Unavailable("sign-in", f"{self.name} does not answer")
        try:
            found = await trio.to_thread.run_sync(function, *arguments, limiter=self.threads)
        except Unavailable as error:
            if self.failed_at_s is None:
                self.log.error("sign-in: %s; operators with a password here can sign in", error)
            self.failed_at_s = trio.current_time()
            raise
        if self.failed_at_s is not None:
            self.failed_at_s = None
            self.log.info("sign-in: %s answers again", self.name)
        return found


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """Names and groups in header fields that a proxy sets; from anybody else they mean nothing."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    name_field: str
    groups_field: str

    def read(self, headers: Mapping[str, str], address: str) -> SignInMember | None:
        """Whom the proxy names; None: nobody, or it is not the proxy that asks."""
        name = headers.get(self.name_field, "").strip()
        if not name or not self._is_proxy(address):
            return None
        groups = headers.get(self.groups_field, "") if self.groups_field else ""
        return SignInMember(name, frozenset(filter(None, map(str.strip, groups.replace(";", ",").split(",")))))

    def _is_proxy(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer.version == network.version and peer in network for network in self.networks)


class Sources:
    """All that vouch for operators beside the catalogue."""

    def __init__(
        self,
        roles: tuple[GroupRole, ...],
        log: logging.Logger,
        directory: Directory | None = None,
        issuer: Issuer | None = None,
        header: TrustedHeader | None = None,
    ) -> None:
        self.log = log
        self._roles = roles
        self._directory = directory
        self._issuer = issuer
        self._header = header
        self._asked = Guarded("the directory (LDAP)", log)
        self._issued = Guarded("the OpenID Connect provider", log)

    @property
    def has_directory(self) -> bool:
        """Whether passwords that are not kept here may be right."""
        return self._directory is not None

    async def by_password(self, name: str, password: str) -> OperatorIdentity | None:
        """Who that is by the directory. Raises `Unavailable`."""
        if self._directory is None or not password:  # an empty one is an anonymous bind, which succeeds
            return None
        return self._identify(SignInSource.LDAP, await self._asked.call(self._directory.check, name, password))

    async def by_bearer(self, token: str) -> OperatorIdentity | None:
        """Who that is by the provider's token. Raises `Unavailable`."""
        if self._issuer is None:
            return None
        return self._identify(SignInSource.OIDC, await self._issued.call(self._issuer.read, token))

    def by_header(self, headers: Mapping[str, str], address: str) -> OperatorIdentity | None:
        """Whom a proxy in front names."""
        return (
            None if self._header is None else self._identify(SignInSource.HEADER, self._header.read(headers, address))
        )

    def _identify(self, source: SignInSource, member: SignInMember | None) -> OperatorIdentity | None:
        if member is None:
            return None
        found = identify(member.name, source, member.groups, self._roles)
        if found is None:
            self.log.warning("sign-in by %s: no group of %.64r has a role here (sign_in.roles)", source, member.name)
        return found


NO_SOURCES: Final = Sources((), logging.getLogger("distd.web"))
