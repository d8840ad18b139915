from __future__ import annotations

import pytest

from tests.import_graph import PACKAGES, find_cycles, import_graph


def test_no_module_imports_itself_through_others() -> None:
    """Imports for types count: modules that know each other's types cannot be read, or changed, one by one."""
    cycles = find_cycles(import_graph(*PACKAGES))
    assert not cycles, "import cycles:\n" + "\n".join(" → ".join(cycle) for cycle in cycles)


def test_imports_are_found_wherever_they_are() -> None:
    graph = import_graph("distd", "tests")
    assert {"tests.import_graph"} <= graph["tests.test_import_graph"]
    assert "distd.cli.main" in graph["tests.programs.commands"]
    assert "tests.interop.conftest" in graph["tests.interop.fixture_types"]
    assert "tests.interop.fixture_types" in graph["tests.interop.test_turns"]  # for types


@pytest.mark.parametrize(
    ("graph", "cycles"),
    [
        pytest.param({"a": {"b"}, "b": {"c"}, "c": set()}, [], id="none"),
        pytest.param({"a": {"b"}, "b": {"a"}}, [["a", "b", "a"]], id="two modules"),
        pytest.param(
            {"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": {"a"}, "e": {"a"}}, [["b", "c", "b"]], id="the shortest"
        ),
        pytest.param(
            {"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c", "a"}}, [["a", "b", "a"], ["c", "d", "c"]], id="two groups"
        ),
    ],
)
def test_cycles(graph: dict[str, set[str]], cycles: list[list[str]]) -> None:
    assert find_cycles(graph) == cycles
