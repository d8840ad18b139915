"""The kinds of columns that the catalogue's tables have."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, String

NAME_LIMIT: Final = 255  # characters of any name, address or server
TEXT_LIMIT: Final = 4096  # characters of a path, a command line


def time_column(name: str, *, nullable: bool = False) -> Column[Any]:
    """Whole microseconds since 1970, UTC."""
    return Column(name, BigInteger, nullable=nullable)


def name_column(name: str, *, nullable: bool = False, limit: int = NAME_LIMIT) -> Column[Any]:
    """A text of at most `limit` characters."""
    return Column(name, String(limit), nullable=nullable)


def text_column(name: str, *, limit: int = NAME_LIMIT) -> Column[Any]:
    """A text that is empty where nothing is known."""
    return Column(name, String(limit), nullable=False, server_default="")


def key_column(name: str) -> Column[Any]:
    """What is searched and sorted: a text as `domain.folding`, `domain.versions` or `domain.addresses` makes it of the
    column beside it. Empty where nothing is known."""
    return Column(name, String(NAME_LIMIT), nullable=False, server_default="")


def bytes_column(name: str) -> Column[Any]:
    """NULL where it is not known."""
    return Column(name, BigInteger, nullable=True)
