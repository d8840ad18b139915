"""`distd init --database`: what is taken, what is refused and that no password is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from distd.cli.main import run

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "s3cret"
WITH_A_PASSWORD = {
    "before the host": f"postgresql://distd:{PASSWORD}@db/distd",
    "empty": "postgresql://distd:@db/distd",
    "as a parameter": f"postgresql://distd@db/distd?password={PASSWORD}",
    "of a key": f"postgresql://distd@db/distd?sslpassword={PASSWORD}",
}
NO_URLS = {
    "another database": f"mysql://distd:{PASSWORD}x@db/distd",
    "no URL": f"host=db user=distd password={PASSWORD}",
    "no host": "postgresql:///distd",
    "a broken one": f"postgresql://[{PASSWORD}/distd",
    "one that libpq refuses": "postgresql://distd@db/distd?colour=blue",
}


def init(data: Path, *options: str) -> int:
    return run(["init", "--data", str(data), "--host", "localhost", *options])


@pytest.mark.parametrize("url", [*WITH_A_PASSWORD.values(), *NO_URLS.values()], ids=[*WITH_A_PASSWORD, *NO_URLS])
def test_what_is_no_url_or_has_a_password_is_refused_and_not_shown(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "site", "--database", url) == 2
    printed = capsys.readouterr()
    assert PASSWORD not in printed.out + printed.err
    assert printed.err.count("\n") == 1
    assert "expected postgresql://USER@HOST/NAME" in printed.err
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("url", WITH_A_PASSWORD.values(), ids=WITH_A_PASSWORD)
def test_a_password_in_the_settings_is_refused_and_not_shown(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init(tmp_path / "site") == 0
    capsys.readouterr()
    monkeypatch.setenv("DISTD_CATALOGUE_URL", url)
    for command in (["config", "show"], ["package", "list"]):
        assert run([*command, "--data", str(tmp_path / "site")]) == 2
    printed = capsys.readouterr()
    assert PASSWORD not in printed.out + printed.err
    assert "a URL with a password in it" in printed.err


def test_a_server_that_is_not_there_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path).replace("/", "%2F")
    assert init(tmp_path / "site", "--database", f"postgresql://distd@{folder}/distd") == 1
    assert "No such file" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_files_are_of_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "site", "--password-file", str(tmp_path / "password")) == 2
    assert "--database: expected a URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.needs("pg_ctlcluster"))], indirect=True
)
def test_a_catalogue_on_postgresql(
    database: Any, postgresql_cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = postgresql_cluster.create_database()
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    url = postgresql_cluster.url(name)
    site = tmp_path / "site"
    try:
        assert init(site, "--database", url, "--password-file", str(password)) == 0
        assert not (site / "catalogue.db").exists()
        assert run(["operator", "list", "--data", str(site)]) == 0
        assert "admin" in capsys.readouterr().out
        assert run(["config", "show", "--origin", "--json", "--data", str(site)]) == 0
        shown = capsys.readouterr().out
        assert json.loads(shown)["catalogue.url"] == {"value": url, "origin": "distd.toml"}
        assert PASSWORD not in shown + (site / "distd.toml").read_text()
        assert init(tmp_path / "other", "--database", url) == 2
        assert "expected a database without tables" in capsys.readouterr().err
        assert not (tmp_path / "other").exists()
    finally:
        postgresql_cluster.drop_database(name)
