"""A program of commands: each imported when it is named, and each error one line on stderr with an exit status.

Exit status: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from distd.domain.errors import BadInput, Conflict, DistdError, NotFound
from distd.domain.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELP_OPTIONS: Final = ["-h", "--help"]
_KNOWN: Final = (DistdError, OSError, click.Abort, KeyboardInterrupt)  # what is reported in one line


class Option(click.Option):
    """An option. `field` is the path of what it gives, as errors name it ("notify.countdown_s"); "": its own name.
    `hint` says what to do when it names what does not exist."""

    def __init__(self, *args: Any, field: str = "", hint: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.field = field or self.name
        self.hint = hint


class Argument(click.Argument):
    """An argument; `field` and `hint` as in `Option`."""

    def __init__(self, *args: Any, field: str = "", hint: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.field = field or self.name
        self.hint = hint


option = partial(click.option, cls=Option)
argument = partial(click.argument, cls=Argument)


class Command(click.Command):
    """A command whose errors name its options, where the use case named fields."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it; also errors of its parser, which does not know of what command it is, name the command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except (BadInput, Conflict) as error:
            _name_option(error, ctx)
            raise


command = partial(click.command, cls=Command)


class Group(click.Group):
    """Commands. `places`: the names of those that are imported when they are named, and where each is,
    "module:attribute". A command so costs its own imports and not everyone's; the group's help imports them all."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, places: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.places = places or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *self.places})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name; None where there is none."""
        place = self.places.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = place.partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found


def run(program: click.Group, arguments: Sequence[str] | None = None) -> int:
    """Run a program's command line (None: this process's); the exit status."""
    name = program.name or ""
    try:
        status = program.main(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else name
        return _fail(2, f"{where}: {visible(' '.join(error.format_message().split()))} See `{where} --help`.")
    except (*_KNOWN, BaseExceptionGroup) as error:
        known = _known(error)
        if known is None:
            raise
        return _report(name, known)
    return status if isinstance(status, int) else 0


def main(program: click.Group, arguments: Sequence[str] | None = None) -> NoReturn:
    """As `run`, and exit."""
    sys.exit(run(program, arguments))


def _known(error: BaseException) -> BaseException | None:
    """What to report: of errors that came together in a nursery the first; None: one of them is a bug."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    found = [_known(one) if isinstance(one, (*_KNOWN, BaseExceptionGroup)) else None for one in error.exceptions]
    return None if None in found else found[0]


def _report(name: str, error: BaseException) -> int:
    """One line; the exit status."""
    if isinstance(error, DistdError):
        return _fail(2 if isinstance(error, BadInput) else 1, f"{name}: {visible(str(error))}")
    if isinstance(error, OSError):
        # What the outside did: a folder of another user, a disk that is full, an output that is closed.
        _discard_output()
        paths = (error.filename, error.filename2)  # the second: of a link, or a name that is changed
        what = "".join(f"{os.fsdecode(path)}: " for path in paths if isinstance(path, str | bytes))
        return _fail(1, f"{name}: {visible(f'{what}{error.strerror or error}')}")
    return _fail(130, f"{name}: interrupted")


def _fail(status: int, message: str) -> int:
    with suppress(OSError):
        click.echo(message, err=True)
    return status


def _discard_output() -> None:
    """What could not be written is not tried again when the interpreter ends, which would be a traceback."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _name_option(error: BadInput | Conflict, ctx: click.Context) -> None:
    """Put the option or argument that gave the field in its place; among several the one that was used."""
    found = [param for param in ctx.command.params if getattr(param, "field", param.name) == error.field]
    if not found:
        return
    used = next((param for param in found if ctx.params.get(param.name or "") not in (None, ())), found[0])
    is_argument = isinstance(used, click.Argument)
    error.field = (used.metavar or used.human_readable_name).strip("[].") if is_argument else max(used.opts, key=len)
    if isinstance(error, NotFound) and not error.hint:
        error.hint = getattr(used, "hint", "")
