"""The sources that the settings `sign_in.*` name; their libraries are extras, imported when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.mirror_rules import parse_networks
from distd.domain.restriction import read_restriction
from distd.domain.sign_in import read_roles
from distd.web.sign_in.sources import Sources, TrustedHeader

if TYPE_CHECKING:
    import logging

    from distd.domain.sign_in_settings import SignInSettings
    from distd.web.sign_in.sources import Directory, Issuer


def make_sources(settings: SignInSettings, log: logging.Logger) -> Sources:
    """The sources that are set. Raises `BadInput`, also where a library is missing that one of them needs."""
    directory: Directory | None = None
    issuer: Issuer | None = None
    header = None
    if settings.ldap_url:
        from distd.web.sign_in.directory import LdapDirectory

        directory = LdapDirectory(settings)
    if settings.oidc_issuer:
        from distd.web.sign_in.provider import OidcProvider

        issuer = OidcProvider(settings)
    if settings.header_proxies:
        networks = tuple(parse_networks(settings.header_proxies.split()))
        header = TrustedHeader(networks, settings.header_name.lower(), settings.header_groups.lower())
    roles = read_roles(settings.roles)
    for role in roles:
        if role.filter:
            read_restriction(role.filter, "sign_in.roles")
    return Sources(roles, log, directory, issuer, header)
