"""The settings `sign_in.*`: who vouches for operators beside the passwords that are kept here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from distd.domain.addresses import is_loopback
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import parse_networks
from distd.domain.setting import setting
from distd.domain.sign_in import read_roles

_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9;-]*")
_FIELD: Final = re.compile(r"[A-Za-z0-9-]*")


def _check_ldap_url(text: str, where: str) -> None:
    try:
        url = urlsplit(text)
        is_good = not text or (url.scheme in ("ldap", "ldaps") and bool(url.hostname) and url.port != 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise BadInput(where, "ldaps://HOST, or ldap://HOST for StartTLS", text)


def _check_issuer(text: str, where: str) -> None:
    try:
        url = urlsplit(text)
        is_local = url.scheme == "http" and is_loopback(url.hostname or "")
        is_good = not text or (bool(url.hostname) and (url.scheme == "https" or is_local))
    except ValueError:
        is_good = False
    if not is_good:
        raise BadInput(where, "https://HOST/…, as the provider calls itself", text)


def _check_attribute(text: str, where: str) -> None:
    if _ATTRIBUTE.fullmatch(text) is None:
        raise BadInput(where, "the name of an attribute", text)


def _check_filter(text: str, where: str) -> None:
    if not (text.startswith("(") and text.endswith(")") and text.count("(") == text.count(")")):
        raise BadInput(where, "an LDAP filter in parentheses", text)


def _check_field(text: str, where: str) -> None:
    if _FIELD.fullmatch(text) is None:
        raise BadInput(where, "the name of a header field", text)


def _check_proxies(text: str, where: str) -> None:
    try:
        parse_networks(text.split())
    except BadInput as error:
        raise BadInput(where, error.expected, error.got, error.hint) from None


def _check_roles(text: str, where: str) -> None:
    read_roles(text, where)


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Who vouches for operators beside the passwords that are kept here."""

    roles: str = setting(
        "",
        "which role members of a group have: `administrator: distd-admins; viewer: teachers`; a group is a name or an"
        " LDAP DN, a filter in brackets after it restricts its members",
        check=_check_roles,
    )
    timeout_s: int = setting(5, "seconds that a directory or a provider may take to answer", low=1, high=60)
    ldap_url: str = setting(
        "", "a directory that checks passwords: ldaps://HOST, or ldap://HOST with StartTLS", check=_check_ldap_url
    )
    ldap_ca: str = setting("", "a file with the CAs of the directory, PEM; empty: the system's")
    ldap_bind_dn: str = setting("", "the DN by which entries are searched for; empty: anonymously")
    ldap_password_file: str = setting("", "a file with the password of this DN")
    ldap_users: str = setting("", "the DN under which operators are")
    ldap_user_filter: str = setting("(objectClass=person)", "which entries are operators", check=_check_filter)
    ldap_name: str = setting("uid", "the attribute that is an operator's name", check=_check_attribute)
    ldap_groups: str = setting("", "the DN under which groups are")
    ldap_member: str = setting("member", "the attribute of groups that has their members' DNs", check=_check_attribute)
    oidc_issuer: str = setting(
        "", "an OpenID Connect provider, as it calls itself: https://HOST/…", check=_check_issuer
    )
    oidc_ca: str = setting("", "a file with the CAs of the provider, PEM; empty: the system's")
    oidc_client_id: str = setting("", "the name of this server at the provider")
    oidc_secret_file: str = setting("", "a file with its secret there; empty: it has none")
    oidc_audience: str = setting("", "the audience of tokens that are bearers; empty: oidc_client_id")
    oidc_scope: str = setting("openid profile", "the scopes that the console asks for")
    oidc_name_claim: str = setting("preferred_username", "the claim that is an operator's name")
    oidc_groups_claim: str = setting("groups", "the claim that lists an operator's groups")
    header_proxies: str = setting(
        "",
        "networks of proxies whose header fields say who signs in, with spaces between",
        check=_check_proxies,
    )
    header_name: str = setting("X-Remote-User", "the field with an operator's name", check=_check_field)
    header_groups: str = setting("X-Remote-Groups", "the field with its groups, commas between", check=_check_field)


NO_SIGN_IN: Final = SignInSettings()
