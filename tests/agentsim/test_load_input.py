"""Options of `agentsim load`: one clear line for what cannot be used, and nothing that was measured is lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentsim.cli import run
from agentsim.fleet.cluster import check_address
from distd.domain.errors import BadInput
from tests.programs import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.agentsim.faulty_server import Authority
    from tests.programs.commands import Done


@pytest.fixture
def invoke(authority: Authority) -> Callable[..., Done]:
    """`agentsim load` where no server is, which fails at once."""

    def invoke(*options: object) -> Done:
        given = ("--server", "https://127.0.0.1:1/", "--ca", str(authority.file), "--agents", "2", *map(str, options))
        return commands.invoke(run, "load", *given)

    return invoke


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--server", "https://[::1"), "--server: expected http://host[:port]/ocsinventory or https://…, got "),
        (("--server", "http://localhost:99999/"), "--server: expected "),
        (("--server", "https://a..b/ocsinventory"), "--server: expected "),
        (("--report", "/tmp"), "--report: expected a file in a folder that is there, got /tmp"),
        (("--html", f"/tmp/{'x' * 300}"), "--html: expected a file that may be written, got /tmp/xxx"),
        (("--html", "/"), "--html: expected a file in a folder that is there, got /"),
        (("--duration", "0"), "--duration: expected a time above 0, got 0"),
        (("--time-scale", "nan"), "--time-scale: expected a number above 0, got nan"),
        (
            ("--arrival", "closed=5", "--duration", "5s"),
            "--arrival: expected at-once, window, poisson or office beside",
        ),
        (("--cluster", "notanaddress"), "--cluster: expected tcp://host:port or tls://host:port, got notanaddress"),
        (("--cluster", "tcp://h:1", "--processes", "2"), "--processes: expected nothing beside --cluster"),
    ],
)
def test_what_cannot_be_used(invoke: Callable[..., Done], options: tuple[str, ...], message: str) -> None:
    done = invoke(*options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"agentsim: {message}")
    assert done.stderr.count("\n") == 1


def test_a_server_that_is_not_found(invoke: Callable[..., Done]) -> None:
    done = invoke("--server", "https://no.such.host.invalid/")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("agentsim: --server https://no.such.host.invalid/: no such host: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "address", ["tcp://head:8786", "tls://10.0.0.1:8786", "tcp://[::1]:8786", "tcp://head.example.org:1"]
)
def test_addresses_of_clusters(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    ["", "head:8786", "http://head:8786", "tcp://head", "tcp://:8786", "tcp://head:0", "tcp://head:65536",
     "tcp://::1:8786", "tcp://head:8786/x", "tcp://head:x"],
)  # fmt: skip
def test_invalid_addresses_of_clusters(address: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_address(address)
    assert caught.value.field == "--cluster"


def test_a_report_that_cannot_be_written_does_not_cost_the_others(invoke: Callable[..., Done], tmp_path: Path) -> None:
    """The disk is full."""
    page = tmp_path / "run.html"
    done = invoke("--report", "/dev/full", "--html", page, "--threshold", "errors>=99%")
    assert done.exit_code == 1
    assert done.stderr == "agentsim: --report: /dev/full cannot be written: No space left on device\n"
    assert "prolog: connection refused" in done.stdout
    assert page.read_text().startswith("<!")


def test_neither_can_be_written(invoke: Callable[..., Done]) -> None:
    done = invoke("--report", "/dev/full", "--html", "/dev/full", "--json", "--threshold", "errors>=99%")
    assert done.exit_code == 1
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["--report:", "--html:"]
    assert done.stdout.startswith('{"schema"')


def test_a_folder_in_which_nothing_may_be_written(
    invoke: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (Path(path), mode) != (tmp_path, os.W_OK))  # root always may
    done = invoke("--report", tmp_path / "run.json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("agentsim: --report: expected a file that may be written, got ")


def test_when_thresholds_hold_and_all_is_written(invoke: Callable[..., Done], tmp_path: Path) -> None:
    done = invoke("--report", tmp_path / "run.json", "--threshold", "errors>=99%")
    assert (done.exit_code, done.stderr) == (0, "")
