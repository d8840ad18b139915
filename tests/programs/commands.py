"""Commands of distd, run in this process: that saves the start of an interpreter for each."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

from distd.cli.main import run
from tests.programs.processes import DISTD, ProgramFailed

if TYPE_CHECKING:
    from pathlib import Path


def distd(data: Path, *arguments: object, status: int = 0) -> Any:
    """Run a command on the data directory; what it prints as JSON (None: nothing), or stderr where it is to fail.

    Raises `ProgramFailed` where it does not end with `status`.
    """
    words = [*map(str, arguments), "--data", str(data), "--json"]
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            ended = run(words)
        except SystemExit as error:
            ended = error.code if isinstance(error.code, int) else 1
    if ended != status:
        raise ProgramFailed([DISTD, *words], ended, errors.getvalue())
    if status:
        return errors.getvalue()
    printed = output.getvalue()
    return json.loads(printed) if printed.strip() else None
