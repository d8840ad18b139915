from __future__ import annotations

from dataclasses import dataclass

import click
from click.testing import CliRunner

from distd.cli.options import data_option
from distd.terminal.options import example, options_record


@dataclass(frozen=True)
class Options:
    name: str
    sizes: tuple[int, ...]


@click.command(epilog=example("try DIR"))
@data_option
@click.option("--name", default="x")
@click.option("--size", "sizes", type=int, multiple=True)
@options_record(Options)
def command(options: Options, root: object) -> None:
    click.echo(f"{options} in {root}")


def test_options_come_as_one_record() -> None:
    done = CliRunner().invoke(command, ["--data", "here", "--size", "1", "--size", "2"])
    assert done.output == "Options(name='x', sizes=(1, 2)) in here\n"


def test_the_data_directory_may_come_from_the_environment() -> None:
    assert CliRunner().invoke(command, [], env={"DISTD_DATA": "there"}).output.endswith(" in there\n")
    assert CliRunner().invoke(command, []).exit_code == 2


def test_help_ends_with_the_example() -> None:
    assert CliRunner().invoke(command, ["--help"]).output.endswith("Example:\n    try DIR\n")
