"""Passwords that a directory (LDAP) keeps, and the groups that somebody is in there.

The connection is always encrypted and the server's certificate verified: `ldaps://`, or `ldap://` with StartTLS. The
user's entry is searched for by the service's own bind, then bound to with the password. Groups may be in groups.
"""

from __future__ import annotations

import ssl
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from distd.domain.errors import BadInput, Unavailable
from distd.storage.secret_files import read_secret
from distd.web.sign_in.sources import SignInMember

try:
    import ldap3
    from ldap3.core.exceptions import LDAPException
    from ldap3.utils.conv import escape_filter_chars
except ImportError as error:
    hint = "pip install 'distd[ldap]'"
    raise BadInput("sign_in.ldap_url", "the library ldap3", "it is not installed", hint) from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from distd.domain.sign_in_settings import SignInSettings

MAX_DEPTH: Final = 8  # of groups in groups
MAX_GROUPS: Final = 500  # of one member
AT_ONCE: Final = 50  # members that one search asks for

_SUCCESS: Final = 0
_SIZE_LIMIT_EXCEEDED: Final = 4
_INVALID_CREDENTIALS: Final = 49


class _Bound:
    """A connection whose socket is closed, whatever has become of it: ldap3 leaves it open after some errors."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def close(self) -> None:
        """Say so to the server, and close."""
        socket = self.connection.socket
        with suppress(LDAPException, OSError):
            self.connection.unbind()
        for each in (socket, self.connection.socket):
            if each is not None:
                each.close()


class LdapDirectory:
    """Made of the settings `sign_in.ldap_*`. Each check has connections of its own, and blocks."""

    def __init__(self, settings: SignInSettings) -> None:
        self._settings = settings
        self._timeout_s = settings.timeout_s
        url = urlsplit(settings.ldap_url)
        self._starts_tls = url.scheme == "ldap"
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=settings.ldap_ca or None)
        self._server = ldap3.Server(
            url.hostname or "",
            port=url.port or (389 if self._starts_tls else 636),
            use_ssl=not self._starts_tls,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=self._timeout_s,
        )

    def check(self, name: str, password: str) -> SignInMember | None:
        """Who that is; None: there is nobody of this name and password. Raises `Unavailable`."""
        try:
            service = self._connect(self._settings.ldap_bind_dn, self._service_password())
            if service is None:
                raise self._unavailable(f"it refuses {self._settings.ldap_bind_dn}")
            with closing(service):
                found = self._find_user(service.connection, name)
                if found is None:
                    return None
                dn, own_name = found
                user = self._connect(dn, password)
                if user is None:
                    return None
                user.close()
                return SignInMember(own_name, frozenset(self._groups_of(service.connection, dn)))
        except (LDAPException, OSError) as error:
            raise self._unavailable(str(error)) from error

    def _connect(self, dn: str, password: str) -> _Bound | None:
        """A connection that is bound; None: the password is wrong."""
        connection = ldap3.Connection(
            self._server,
            user=dn or None,
            password=password if dn else None,
            receive_timeout=self._timeout_s,
            auto_referrals=False,
            read_only=True,
        )
        bound = _Bound(connection)
        with ExitStack() as stack:
            stack.callback(bound.close)
            connection.open()
            if self._starts_tls and not connection.start_tls(read_server_info=False):
                raise self._unavailable("StartTLS is refused")
            if connection.bind():
                stack.pop_all()
                return bound
        if connection.result["result"] == _INVALID_CREDENTIALS:
            return None
        raise self._unavailable(f"the bind as {dn} failed: {connection.result['description']}")

    def _find_user(self, service: Any, name: str) -> tuple[str, str] | None:
        """The DN and the name of the one entry with this name."""
        settings = self._settings
        query = f"(&{settings.ldap_user_filter}({settings.ldap_name}={escape_filter_chars(name)}))"
        entries = self._search(service, settings.ldap_users, query, [settings.ldap_name], 2)
        if len(entries) != 1:
            return None
        names = entries[0]["attributes"][settings.ldap_name]
        return entries[0]["dn"], names if isinstance(names, str) else next(iter(names), name)

    def _groups_of(self, service: Any, dn: str) -> Iterable[str]:
        """The DNs and the names (cn) of all groups that it is in, directly or by other groups."""
        found: dict[str, list[str]] = {}
        asked = [dn]
        for _ in range(MAX_DEPTH):
            above: list[str] = []
            for start in range(0, len(asked), AT_ONCE):
                members = "".join(
                    f"({self._settings.ldap_member}={escape_filter_chars(each)})"
                    for each in asked[start : start + AT_ONCE]
                )
                for entry in self._search(service, self._settings.ldap_groups, f"(|{members})", ["cn"], MAX_GROUPS):
                    if entry["dn"] not in found:
                        found[entry["dn"]] = list(entry["attributes"]["cn"])
                        above.append(entry["dn"])
            if not above:
                break
            if len(found) > MAX_GROUPS:
                raise self._unavailable(f"{dn} is in more than {MAX_GROUPS} groups")
            asked = above
        return [*found, *(name for names in found.values() for name in names)]

    def _search(self, service: Any, base: str, query: str, attributes: Sequence[str], limit: int) -> list[Any]:
        service.search(
            base,
            query,
            ldap3.SUBTREE,
            attributes=list(attributes),
            size_limit=limit,
            time_limit=max(1, int(self._timeout_s)),
        )
        if service.result["result"] not in (_SUCCESS, _SIZE_LIMIT_EXCEEDED):
            raise self._unavailable(f"the search in {base} failed: {service.result['description']}")
        return [entry for entry in service.response if entry["type"] == "searchResEntry"]

    def _service_password(self) -> str:
        path = self._settings.ldap_password_file
        return "" if not path else read_secret(path, "sign_in.ldap_password_file")

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"the directory {self._settings.ldap_url}", why)
