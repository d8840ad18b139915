"""A server instead of a data directory: which may be named, who one is there, how its problems are told."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from distd.cli.remote_site import RemoteSite
from distd.domain.errors import BadInput, Conflict, DigestMismatch, NoSpace, NotFound, Unavailable
from distd.operations import packages
from distd.origin.idempotency import KeyReused
from distd.web.api.problems import content_of_error

if TYPE_CHECKING:
    from distd.domain.errors import DistdError

URL = "https://distd.example:8443"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVER", "TOKEN", "OPERATOR", "PASSWORD", "CA", "DATA"):
        monkeypatch.delenv(f"DISTD_{name}", raising=False)


@pytest.mark.parametrize(
    "error",
    [
        BadInput("priority", "0 to 10", 11, "the lower the sooner"),
        BadInput("name", "a name", ""),
        NotFound("package", "the id of a package", "17"),
        DigestMismatch("Blake3", "aa", "bb"),
        KeyReused("Idempotency-Key", "another key", "k"),
        Conflict("package", "17 is active already: on a", "deactivate it; then again"),
        Conflict("name", "there is a mirror"),
        Unavailable("catalogue", "database is locked: twice"),
        NoSpace("disk", "full"),
    ],
    ids=str,
)
def test_errors_are_what_they_were(error: DistdError) -> None:
    content = content_of_error(error)
    found = RemoteSite(URL, "", None).error_of(content["status"], json.dumps(content).encode())
    assert str(found) == str(error)
    assert isinstance(found, BadInput) == isinstance(error, BadInput), "the exit status"
    assert isinstance(found, NotFound) == isinstance(error, NotFound), "the hint"
    assert getattr(found, "field", "") == getattr(error, "field", "")


def test_what_is_no_problem_is_told_as_it_is() -> None:
    site = RemoteSite(URL, "", None)
    assert str(site.error_of(403, b'{"detail": "not for viewers"}')) == f"{URL}: not for viewers"
    assert str(site.error_of(502, b"<html>")) == f"{URL}: HTTP 502"
    assert "another" in str(site.error_of(401, b"{}"))
    assert str(site.error_of(429, b'{"detail": "wait"}')) == f"{URL}: wait"


@pytest.mark.parametrize(
    "url", ["", "distd", "ftp://a", "http://distd.example", "https://", "https://a:x", "https://u@a"]
)
def test_servers_that_cannot_be_named(site: Any, url: str) -> None:
    done = site("package", "list", "--server", url, "--token", "t", data=False)
    assert (done.status, "--server: expected https://HOST[:PORT]" in done.err) == (2, True), done.err


def test_who_one_is(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None]] = []

    def ask(self: RemoteSite, *_: object, **__: object) -> Any:
        seen.append((self._authorization, self._ca))
        return packages.PackagePage([], None, 0)

    monkeypatch.setattr(RemoteSite, "ask", ask)
    server = ("package", "list", "--server", f"{URL}/")
    assert site(*server, "--token", "t", "--ca", "ca.pem", data=False).status == 0
    monkeypatch.setenv("DISTD_PASSWORD", "secret")
    assert site(*server, "--operator", "admin", data=False).status == 0
    assert seen == [("Bearer t", "ca.pem"), ("Basic YWRtaW46c2VjcmV0", None)]
    monkeypatch.delenv("DISTD_PASSWORD")
    assert "DISTD_PASSWORD" in site(*server, "--operator", "admin", data=False).err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", lambda *_, **__: "typed")
    assert site(*server, "--operator", "admin", data=False).status == 0
    assert seen[-1] == ("Basic YWRtaW46dHlwZWQ=", None)
    assert "--token: expected a token, or an operator" in site(*server, data=False).err


def test_which_site_is_meant(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("package", "list", "--server", URL, "--token", "t")
    assert "either --data or --server" in site(*both).err
    assert "Missing option '--data' or '--server'" in site("package", "list", data=False).err
    monkeypatch.setenv("DISTD_SERVER", URL)
    assert site("package", "list").status == 0, "what the command line names counts"
    changes = ("package", "edit", "17", "--server", URL, "--token", "t", "--set", "download.on=true")
    assert "--set: expected none with --server" in site(*changes, data=False).err
    sites = ("plan", "17", "--site", "a=3", "--token", "t")
    assert "--site: expected a command on the server itself" in site(*sites, data=False).err


def test_what_is_about_the_machine_says_so(site: Any) -> None:
    done = site("keys", "rotate", "token", "--server", URL)
    assert (done.status, "--server: expected --data: this command is about the machine" in done.err) == (2, True)


def test_a_server_that_is_not_there(site: Any) -> None:
    done = site("package", "list", "--server", "https://127.0.0.1:1", "--token", "t", data=False)
    assert (done.status, done.err) == (1, "distd: https://127.0.0.1:1: Connection refused\n")
    done = site("package", "list", "--server", "https://127.0.0.1:1", "--token", "t", "--ca", "none.pem", data=False)
    assert (done.status, "--ca: expected a file" in done.err) == (2, True)
