"""Commands of distd and redistrib that are run in this process, which saves the start of an interpreter for each."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from distd.cli.main import run as run_distd
from redistrib.cli import run as run_redistrib
from tests.programs.processes import DISTD, REDISTRIB, ProgramFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {DISTD: run_distd, REDISTRIB: run_redistrib}


def distd(data: Path, *arguments: object, status: int = 0) -> Any:
    """Run a command of distd on the data directory; what it prints as JSON, or the text on stderr where it is to fail.

    Raises `ProgramFailed` where it does not end with `status`.
    """
    printed, errors = run_command(DISTD, *arguments, "--data", data, "--json", status=status)
    return errors if status else _parsed(printed)


def command(program: str, *arguments: object, status: int = 0) -> Any:
    """Run a command with `--json`; what it prints as JSON, or the text on stderr where it prints nothing.

    `program` is `DISTD` or `REDISTRIB`. Raises `ProgramFailed` where it does not end with `status`.
    """
    printed, errors = run_command(program, *arguments, "--json", status=status)
    return _parsed(printed) if printed.strip() or not errors else errors


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


def invoke(run: Callable[[Sequence[str]], int], *arguments: object) -> Done:
    """Run the command line of a program; `run` is the program's, which gives the exit status."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        ended = _run(run, [*map(str, arguments)])
    return Done(ended, output.getvalue(), errors.getvalue())


def run_command(program: str, *arguments: object, status: int = 0) -> tuple[str, str]:
    """Run a command; its stdout and stderr. Raises `ProgramFailed` where it does not end with `status`."""
    done = invoke(COMMANDS[program], *arguments)
    if done.exit_code != status:
        raise ProgramFailed([program, *map(str, arguments)], done.exit_code, done.stderr)
    return done.stdout, done.stderr


def _parsed(printed: str) -> Any:
    return json.loads(printed) if printed.strip() else None


def _run(run: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """The exit status. In a thread where the caller has an event loop: the command may start one of its own."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        try:
            return run(words)
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 1
    return _run_in_thread(run, words)


def _run_in_thread(run: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    ended: list[int] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            ended.append(run(words))
        except SystemExit as error:
            ended.append(error.code if isinstance(error.code, int) else 1)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return ended[0]
