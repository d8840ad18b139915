from __future__ import annotations

import copy
import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from distd.cli.main import cli, run
from distd.cli.package import package
from distd.domain.errors import BadInput, Conflict, Corrupt, NotFound, Unavailable
from distd.terminal import program
from distd.terminal.program import Group, argument, option
from tests.programs.processes import plain_environment


@pytest.mark.parametrize("group", [cli, package])
def test_every_place_has_a_command_of_that_name(group: Any) -> None:
    assert isinstance(group, Group)
    context = click.Context(group)
    assert set(group.places) <= set(group.list_commands(context))
    for name in group.places:
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_commands_that_are_added_are_there_too() -> None:
    group = Group("group", places={"init": "distd.cli.init:init"})
    group.add_command(click.Command("also"))
    context = click.Context(group)
    assert group.list_commands(context) == ["also", "init"]
    assert group.get_command(context, "also") is group.commands["also"]
    assert group.get_command(context, "neither") is None


def test_only_the_command_that_is_named_is_imported() -> None:
    script = (
        "import sys; from distd.cli.main import run; run(['init', '--help']);"
        "assert 'distd.cli.init' in sys.modules and 'distd.cli.plan' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "distd init" in done.stdout


# --- errors and exit statuses ------------------------------------------------------------------------------------


@click.group("prog", cls=Group, context_settings={"help_option_names": program.HELP_OPTIONS})
def prog() -> None:
    """A program."""


@prog.command()
@argument("item", field="package", metavar="[PACKAGE]...", hint="see `prog list`")
@option("--size", field="fragments.size_bytes", type=int)
@option("--path", field="target")
@option("--launch", "-l", field="target")
@option("--raises", default="")
def do(item: str, raises: str, **_: object) -> None:
    """Raise what is asked for."""
    if raises:
        raise ERRORS[raises]
    click.echo(f"done {item}")


ERRORS: dict[str, BaseException] = {
    "size": BadInput("fragments.size_bytes", "at least 1024", 7),
    "target": BadInput("target", "a path", "x", "try another"),
    "unknown": NotFound("package", "the id of a package", "99"),
    "conflict": Conflict("package", "it is active", "deactivate it"),
    "elsewhere": BadInput("distd.toml: download.on", "true or false", "maybe"),
    "away": Unavailable("catalogue", "it is locked"),
    "folder": PermissionError(errno.EACCES, "Permission denied", "/root/x"),
    "disk": OSError(errno.ENOSPC, "No space left on device"),
    "interrupt": KeyboardInterrupt(),
    "link": OSError(errno.ENOTDIR, "Not a directory", "/a", None, "/b"),
    "lines": Corrupt("18\x1b[2J", "a\nb", "c"),
    "nursery": ExceptionGroup("nursery", [ExceptionGroup("inner", [Unavailable("catalogue", "it is locked")])]),
}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 0, ""),
        (("--raises", "size"), 2, "prog: --size: expected at least 1024, got 7"),
        (("--path", "x", "--raises", "target"), 2, "prog: --path: expected a path, got x; try another"),
        (("-l", "x", "--raises", "target"), 2, "prog: --launch: expected a path, got x; try another"),
        (("--raises", "unknown"), 2, "prog: PACKAGE: expected the id of a package, got 99; see `prog list`"),
        (("--raises", "conflict"), 1, "prog: PACKAGE: it is active; deactivate it"),
        (("--raises", "elsewhere"), 2, "prog: distd.toml: download.on: expected true or false, got maybe"),
        (("--raises", "away"), 1, "prog: catalogue: it is locked"),
        (("--raises", "folder"), 1, "prog: /root/x: Permission denied"),
        (("--raises", "disk"), 1, "prog: No space left on device"),
        (("--raises", "interrupt"), 130, "prog: interrupted"),
        (("--raises", "link"), 1, "prog: /a: /b: Not a directory"),
        (("--raises", "lines"), 1, "prog: 18\\x1b[2J: expected a\\nb, got c"),
        (("--raises", "nursery"), 1, "prog: catalogue: it is locked"),
        (("--size", "many"), 2, "'many' is not a valid integer. See `prog do --help`."),
        (("--nothing",), 2, "prog do: No such option '--nothing'. See `prog do --help`."),
    ],
)
def test_whatever_is_wrong_is_one_line_and_a_status(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, message: str
) -> None:
    # The errors are changed on their way, so each run has new ones.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "ERRORS", copy.deepcopy(ERRORS))
        assert program.run(prog, ["do", "it", *arguments]) == status
    out, err = capfd.readouterr()
    assert (out, err) == ("done it\n", "") if not status else (out, err.strip().count("\n")) == ("", 0)
    assert message in err


def test_a_bug_among_known_errors_is_not_hidden() -> None:
    known, bug = Unavailable("catalogue", "it is locked"), ZeroDivisionError()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ERRORS, "bug", ExceptionGroup("nursery", [known, bug]))
        with pytest.raises(ExceptionGroup) as caught:
            program.run(prog, ["do", "it", "--raises", "bug"])
    assert caught.value.exceptions == (known, bug)


def test_help_is_asked_for_in_two_ways(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for way in program.HELP_OPTIONS:
        assert program.run(prog, ["do", way]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "Raise what is asked for." in shown[0]


@pytest.mark.parametrize("arguments", [("config", "show"), ("--help",), ("events",)])
def test_a_closed_or_full_output_is_no_traceback(site_data: Path, arguments: tuple[str, ...]) -> None:
    """/dev/full takes nothing, as a full disk does."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "distd.cli", *arguments]
        environment = plain_environment() | {"DISTD_DATA": str(site_data)}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, "distd: No space left on device\n")


@pytest.fixture
def site_data(tmp_path: Path) -> Path:
    """A data directory."""
    data = tmp_path / "site"
    assert run(["init", "--data", str(data), "--host", "localhost"]) == 0
    return data
