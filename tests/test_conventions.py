"""Rules for all tests (no sleep decides, none is skipped, they mirror the source) and for the source (sizes, names)."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from tests.import_graph import PACKAGES, ROOT, module_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TESTS: Final = ROOT / "tests"
MAX_MODULE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 70

LONG_MODULES: Final[dict[str, str]] = {}
"""Module → why it is longer."""
LONG_FUNCTIONS: Final[dict[str, str]] = {}
"""module.function → why it is longer."""
SHARED_CLASS_NAMES: Final = {
    # Programs that know nothing of each other.
    "Fault": "what a package has, what a mirror's package has, what an emulated agent is given",
    "Kind": "of events, of what an emulated fleet counts",
    "Metrics": "of the origin's process, of a mirror's",
    "Network": "of a simulation, of an emulated fleet",
    "PartialFragment": "of an upload, of an emulated agent's download",
    "Sources": "of the origin's metrics, of a native agent's fragments",
    "State": "of a connection, of an event stream, of an emulated agent, of a native agent",
    "Summary": "of a simulation, of a native agent's contact",
    "Target": "of the reactor, of an emulated fleet",
    # The records of a simulation, which knows nothing of the catalogue, have the names of what they stand for.
    "Mirror": "of a simulation; and a row of the catalogue",
    "Package": "of a simulation; and a row of the catalogue",
    "Agent": "the protocol of the agents' state machine; what is known of an agent that makes a contact",
    "Answer": "of the lane to a request; of a plan to a goal",
    "Post": "of the lane, which knows only bytes; of an agent",
    "Rule": "of bandwidth; of mirrors",
    "Turn": "of an agent's packages; of the reactor",
}
"""Class name → why several rooms have a class of that name."""
HARMLESS_SLEEPS: Final = {
    "catalogue/test_event_log_order::write": "a commit that takes some time, however long",
    "agentsim/fleet/conftest::Fleet.spoil.spoiled": "an answer that never comes, or in virtual time",
    "agentsim/fleet/virtual_network::VirtualLink.exchange": "virtual: the tests that use it have a clock",
    "lane/client/test_pool::CountingServer.__call__": "virtual: the tests that use it have a clock",
    "lane/client/test_pool::Scripted.__call__": "virtual: the tests that use it have a clock",
    "lane/client/test_pool::test_tls_where_connecting_takes_its_time": "nothing may come meanwhile",
    "lane/test_pacer::ask_until": "virtual: the tests that use it have a clock",
    "mutants/session::run_in_forks": "between two looks at the forks",
    "web/api/test_login_queue::Door._verify": "virtual: the tests that use it have a clock",
    "server/test_handover::app": "a body that takes some time, however long",
    "server/test_mirror_streams::follow": "virtual: the tests that use it have a clock",
}
"""file::function → why the sleep there decides nothing, or is none in real time."""
ROOMS_WITHOUT_SOURCE: Final = {
    "browser": "the console in a browser: the handout's tour, and what holds for every page",
    "crashes": "commands of distd that are killed",
    "docs": "the documents, and what they say about the source",
    "interop": "distd beside programs of others",
}
OTHER_TESTS: Final = {
    "web/api/test_access": "who may ask what, through all routes of the API",
    "agentsim/fleet/test_bad_addresses": "addresses where no server answers, through all of the fleet",
    "agentsim/fleet/test_final_states": "how each agent ends, through all of the fleet",
    "agentsim/native/test_earlier_versions": "the state that an agent of an earlier version left",
    "agentsim/test_agent_command": "agentsim.cli: `agentsim agent`",
    "catalogue/dialect/test_dialect": "the package catalogue.dialect itself, and that nothing else knows a database",
    "catalogue/test_migrations": "the folder distd/catalogue/migrations",
    "cli/test_bad_input": "what all commands do with wrong options",
    "cli/test_commands": "all commands, as an operator uses them one after the other",
    "cli/test_damaged": "all three programs, with files, folders and databases that are damaged",
    "cli/test_earlier_data_dir": "the data directory that an earlier version left",
    "cli/test_full_disk": "all commands that write, on a full disk",
    "cli/test_wrong_input": "all three programs, with what people type wrongly",
    "lane/test_http_cases": "the lane beside other servers, by the table of tests/lane/http_cases.py",
    "lane/test_http_stream_fuzz": "the lane, with requests cut anywhere",
    "origin/packages/test_import": "`packages.ocs_import` and `packages.media_import` with a catalogue",
    "test_conventions": "this file",
    "test_import_graph": "tests.import_graph",
    "test_setup": ".ci/debian-packages",
    "test_time_limit": "tests.time_limit",
}
"""Test module, without ".py" → what it tests, where that is not the module of its name."""

VIRTUAL_CLOCKS: Final = {"autojump_clock", "mock_clock"}
SKIPS: Final = {"skip", "skipif", "xfail", "importorskip"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def all_files() -> list[Path]:
    return sorted(TESTS.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(TESTS).with_suffix("").as_posix()


def functions(
    tree: ast.AST, outer: tuple[str, ...] = ()
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Each function of a module with its dotted name, functions in classes and functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield ".".join((*outer, node.name)), node
            yield from functions(node, (*outer, node.name))
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, (*outer, node.name))
        else:
            yield from functions(node, outer)


# Sleeps


def real_sleeps(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(function, line) of each `trio.sleep` and `time.sleep` that takes real time.

    Not those of 0, those of a loop that polls a condition, and `trio.sleep` under a virtual clock, which the function
    or one around it has as an argument. (One that a mark asks for is not seen by pytest-trio: time is real then.)
    """
    yield from _real_sleeps(tree, "", virtual=False)


def _real_sleeps(node: ast.AST, scope: str, *, virtual: bool) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _real_sleeps(child, f"{scope}.{child.name}".lstrip("."), virtual=virtual)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = (*child.args.args, *child.args.kwonlyargs)
            inner = virtual or any(map(_is_clock, arguments))
            yield from _real_sleeps(child, f"{scope}.{child.name}".lstrip("."), virtual=inner)
        elif not _polls(child):
            if isinstance(child, ast.Call) and (module := _sleeps(child.func)):
                zero = len(child.args) == 1 and isinstance(child.args[0], ast.Constant) and child.args[0].value == 0
                if not zero and not (virtual and module == "trio"):
                    yield scope, child.lineno
            yield from _real_sleeps(child, scope, virtual=virtual)


def _is_clock(argument: ast.arg) -> bool:
    """Whether it is a virtual clock, or something whose type says that it has one."""
    kind = ast.unparse(argument.annotation) if argument.annotation else ""
    return argument.arg in VIRTUAL_CLOCKS or "MockClock" in kind or kind.startswith("Virtual")


def _polls(node: ast.AST) -> bool:
    """Whether it is `while CONDITION: sleep(…)`: then the condition decides."""
    if not isinstance(node, ast.While) or isinstance(node.test, ast.Constant) or len(node.body) != 1:
        return False
    statement = node.body[0]
    value = statement.value if isinstance(statement, ast.Expr) else None
    call = value.value if isinstance(value, ast.Await) else value
    return isinstance(call, ast.Call) and bool(_sleeps(call.func))


def _sleeps(function: ast.expr) -> str:
    """ "trio" or "time" of a call of that module's sleep; "" of another call."""
    match function:
        case ast.Attribute(ast.Name("trio" | "time" as module), "sleep" | "sleep_until"):
            return module
        case ast.Name("sleep" | "sleep_until"):
            return "time"
    return ""


def test_no_test_waits_by_a_real_sleep() -> None:
    """A condition is waited for with `tests.programs.waiting`; time that must pass is virtual."""
    found = []
    for path in all_files():
        if path.parent.name != "programs":
            for function, line in real_sleeps(parsed(path)):
                if f"{name_of(path)}::{function}" not in HARMLESS_SLEEPS:
                    found.append(f"{path.relative_to(ROOT)}:{line} in {function}")
    assert not found, "real sleeps:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        pytest.param("async def test():\n    await trio.sleep(1)", 1, id="trio"),
        pytest.param("def test():\n    time.sleep(pause_s)", 1, id="time"),
        pytest.param("async def test(mock_clock):\n    time.sleep(1)", 1, id="a real one beside a virtual clock"),
        pytest.param("async def test():\n    while True:\n        await trio.sleep(1)", 1, id="without a condition"),
        pytest.param("async def test():\n    while waits():\n        await trio.sleep(1)", 0, id="a condition decides"),
        pytest.param("async def test():\n    await trio.sleep(0)", 0, id="a checkpoint"),
        pytest.param("async def test(autojump_clock):\n    await trio.sleep(1)", 0, id="virtual"),
        pytest.param(
            "async def test(autojump_clock):\n    async def inner():\n        await trio.sleep(1)",
            0,
            id="virtual around it",
        ),
        pytest.param(
            "pytestmark = pytest.mark.usefixtures('autojump_clock')\nasync def test():\n    await trio.sleep(1)",
            1,
            id="a clock that the whole module asks for by a mark",
        ),
        pytest.param(
            "@pytest.mark.usefixtures('autojump_clock')\nasync def test():\n    await trio.sleep(1)", 1, id="by a mark"
        ),
    ],
)
def test_real_sleeps_are_found(source: str, count: int) -> None:
    assert len(list(real_sleeps(ast.parse(source)))) == count


# Other rules for tests


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.attr}"
        for path in all_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in SKIPS and _root(node) == "pytest"
    ]
    assert not found, "skipped tests:\n" + "\n".join(found)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_tests_mirror_the_source() -> None:
    """`tests/ROOM/test_x.py` and `test_x_y.py` test the module x of that room."""
    found = [
        name for path in all_files() if path.name.startswith("test_") and not _has_source(name := name_of(path), path)
    ]
    assert sorted(found) == [], "tests without a module of their name"


def _has_source(name: str, path: Path) -> bool:
    room, _, _ = name.partition("/")
    if name in OTHER_TESTS or room in ROOMS_WITHOUT_SOURCE:
        return True
    folder = path.parent.relative_to(TESTS)
    source = ROOT / folder if room in (*PACKAGES, "loadtests") else ROOT / "distd" / folder
    if room in ("programs", "mutants"):
        source = TESTS / folder
    words = path.stem.removeprefix("test_").split("_")
    names = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return any((source / f"{name}.py").is_file() for name in names)


@pytest.mark.parametrize("name", OTHER_TESTS)
def test_the_table_of_other_tests_is_current(name: str) -> None:
    assert (TESTS / f"{name}.py").is_file()


# Rules for the source


def test_modules_are_short() -> None:
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in module_files(*PACKAGES).items()}
    found = {name: count for name, count in lines.items() if count > MAX_MODULE_LINES}
    assert found.keys() == LONG_MODULES.keys(), found


def test_functions_are_short() -> None:
    found = {}
    for module, path in module_files(*PACKAGES).items():
        for name, function in functions(parsed(path)):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                found[f"{module}.{name}"] = lines
    assert found.keys() == LONG_FUNCTIONS.keys(), found


def test_no_two_classes_have_the_same_name() -> None:
    modules = defaultdict(list)
    for module, path in module_files(*PACKAGES).items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(module)
    found = {name: where for name, where in modules.items() if len(where) > 1}
    assert found.keys() == SHARED_CLASS_NAMES.keys(), found
