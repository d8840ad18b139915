from __future__ import annotations

import pytest
from click.testing import CliRunner

from loadtests.measure import Cell
from loadtests.transfer import command_of, main, slice_of
from tests.programs.wrk import Load

LOAD = Load(10, 26_214_400, 2.0, 200, 900, 4000, {}, 1.0)


@pytest.mark.parametrize(
    ("size", "answers"),
    [
        pytest.param("64KiB", 10, id="small ones by their number"),
        pytest.param("1MiB", 25, id="large ones by their bytes: many are under way when a slice ends"),
    ],
)
def test_how_answers_are_counted(size: str, answers: float) -> None:
    assert slice_of(Cell(size, 32), LOAD, 1.0, 1000).answers == answers


@pytest.mark.parametrize(("cpu_s", "pss_bytes"), [(-3.0, 1000), (0.0, 1000), (1.0, 0)])
def test_a_server_that_died_under_load_was_not_quick(cpu_s: float, pss_bytes: int) -> None:
    assert slice_of(Cell("1MiB", 32), LOAD, cpu_s, pss_bytes).failure == "the server has ended"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "make bench-transfer"),
        (["--readme"], "make bench-transfer"),
        (["--quick", "--cells", "4KiB:1"], 'make bench-transfer ARGS="--quick --cells 4KiB:1"'),
    ],
)
def test_the_command_that_makes_the_figures_again(arguments: list[str], command: str) -> None:
    assert command_of(arguments) == command


@pytest.mark.parametrize("arguments", [["--cells", "5KiB:1"], ["--rounds", "0"], ["--seconds", "0.5"]])
def test_bad_usage_ends_with_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert arguments[0] in done.output
