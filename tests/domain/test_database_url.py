"""What can be the URL of a database."""

from __future__ import annotations

import pytest

from distd.domain.database_url import check_database_url
from distd.domain.errors import BadInput

GOOD = [
    "",
    "postgresql://distd@db.example.org/distd",
    "postgresql://distd@db.example.org:5433/distd?sslmode=require",
    "postgresql://distd@%2Frun%2Fpostgresql/distd",
    "postgresql:///distd?host=/run/postgresql",
    "postgresql://distd@db1,db2/distd?target_session_attrs=read-write",
    "postgresql://distd@[::1]/distd",
]
SPACES = ["postgresql://db /distd", "postgresql://db/di\nstd"]
BAD = ["distd", "postgres://db/distd", "postgresql:///distd", "//db/x", *SPACES]


@pytest.mark.parametrize("text", GOOD)
def test_a_url_is_taken(text: str) -> None:
    check_database_url(text, "catalogue.url")


@pytest.mark.parametrize("text", BAD)
def test_what_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(BadInput, match=r"catalogue\.url: expected postgresql://USER@HOST/NAME, got another text"):
        check_database_url(text, "catalogue.url")


@pytest.mark.parametrize(
    "text", ["postgresql://u:p@h/n", "postgresql://h/n?PASSWORD=p", "postgresql://h/n?a=b&sslpassword="]
)
def test_a_password_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"got a URL with a password in it; put it into PGPASSWORD"):
        check_database_url(text, "catalogue.url")
