from __future__ import annotations

import json
import os
import pwd
import subprocess
from typing import Any

import pytest

from tests.programs.processes import DISTD, plain_environment


def kinds(site: Any, *options: str) -> list[str]:
    return [event["kind"] for event in site("events", "--json", *options).json["items"]]


def test_what_commands_did_is_listed_with_who_did_it(site: Any) -> None:
    package_id = site.build()
    site("package", "activate", package_id)
    found = site("events", "--json").json
    assert [event["kind"] for event in found["items"]] == ["OPERATOR_ADDED", "PACKAGE_PUBLISHED", "PACKAGE_ACTIVATED"]
    assert {event["actor"] for event in found["items"]} == {f"cli:{pwd.getpwuid(os.getuid()).pw_name}"}
    assert (found["total"], found["next"]) == (3, None)
    assert kinds(site, "--package", package_id) == ["PACKAGE_PUBLISHED", "PACKAGE_ACTIVATED"]
    assert kinds(site, "--kind", "package-activated", "--kind", "RESULT") == ["PACKAGE_ACTIVATED"]
    assert kinds(site, "--limit", "1") == ["PACKAGE_ACTIVATED"]
    assert kinds(site, "--audit", "--since", "1h") == kinds(site)
    assert kinds(site, "--since", "now") == kinds(site, "--computer", "pc") == kinds(site, "--actor", "agent") == []
    shown = site("events").out.splitlines()
    assert shown[0].split() == ["Time", "Event", "Package", "By", "Detail"]
    assert shown[-1].split()[2:4] == ["PACKAGE_ACTIVATED", package_id]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--kind", "sent"), "--kind: expected one of"),
        (("--since", "soon"), "--since: expected a time such as"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_what_cannot_be_asked_for(site: Any, options: Any, message: str) -> None:
    done = site("events", *options)
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert message in done.err


@pytest.mark.parametrize("since", ["0001-01-01", "1969-12-31", "36000d", "1971-01-01"])
def test_long_ago_is_from_the_beginning(site: Any, since: str) -> None:
    assert kinds(site, "--since", since) == ["OPERATOR_ADDED"]


def test_events_are_followed(site: Any) -> None:
    command = [DISTD, "events", "--follow", "--json", "--kind", "PACKAGE_ACTIVATED", "--data", site.data]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=plain_environment()
    ) as running:
        assert running.stdout is not None
        package_id = site.build()
        site("package", "activate", package_id)
        first = json.loads(running.stdout.readline())
        site("package", "activate", package_id)
        second = json.loads(running.stdout.readline())
        running.terminate()
    assert [first["package_id"], second["package_id"]] == [package_id] * 2
    assert first["seq"] < second["seq"]


def test_root_acts_for_the_one_who_asked(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    site.build()
    expected = "cli:alice" if os.getuid() == 0 else f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    assert site("events", "--json").json["items"][-1]["actor"] == expected


def test_a_user_whom_no_file_names(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    site.build()
    assert site("events", "--json").json["items"][-1]["actor"] == "cli:4000000000"
