"""Files that commands write beside what they print."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path


def check_file(file: Path, option: str) -> None:
    """Make sure that it can be written, as far as that can be seen beforehand. Raises `BadInput`."""
    folder = file.absolute().parent
    try:
        if file.is_dir() or not folder.is_dir():
            raise BadInput(option, "a file in a folder that is there", str(file))
        if not os.access(file if file.exists() else folder, os.W_OK):
            raise BadInput(option, "a file that may be written", str(file))
    except OSError as error:  # a folder that may not even be looked into, a name that is too long
        raise BadInput(option, "a file that may be written", str(file), error.strerror or "") from None


def write(file: Path, text: str, option: str) -> bool:
    """Whether it could be written; if not, a line on stderr says so, and the results are still shown in other ways."""
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        program = click.get_current_context().find_root().info_name
        click.echo(f"{program}: {option}: {file} cannot be written: {error.strerror}", err=True)
        return False
    return True
