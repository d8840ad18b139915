"""The URL of a database: what can be one. It never holds a password."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from distd.domain.errors import BadInput


def check_database_url(text: str, where: str) -> None:
    """Raises `BadInput` for what cannot be a URL of a database. No part of it is shown: it may hold a password."""
    if not text:
        return
    expected, hint = "postgresql://USER@HOST/NAME", "HOST may be %2Frun%2Fpostgresql, the folder of a socket"
    try:
        parts = urlsplit(text)
        names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        has_password = parts.password is not None or not names.isdisjoint({"password", "sslpassword"})
        host = parts.hostname or names & {"host", "hostaddr", "service"}
    except ValueError:
        raise BadInput(where, expected, "a text that is no URL", hint) from None
    if has_password:
        hint = "put it into PGPASSWORD, ~/.pgpass or the file catalogue.password_file"
        raise BadInput(where, expected, "a URL with a password in it", hint)
    if not text.startswith("postgresql://") or not host or not text.isprintable() or " " in text:
        raise BadInput(where, expected, "another text", hint)
