"""Where the code of a change is put."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from tests.mutants import mutations
from tests.mutants.runner import swaps_of

SOURCE = """
def below(limit):
    def decorate(function):
        def checked(value):
            return function(value) if value < limit else 0
        return checked
    return decorate

@below(10)
def twice(value):
    return value + value
"""


def run_with(text: str) -> Any:
    """`twice` of the module, which was imported without the change, once the change is put into it."""
    module: dict[str, Any] = {}
    exec(compile(SOURCE, "module.py", "exec"), module)
    checked, inner = module["twice"], module["twice"].__closure__[0].cell_contents
    living = {
        ("module.py", each.__code__.co_qualname, each.__code__.co_firstlineno): [each]
        for each in (module["below"], checked, inner)
    }
    changes = mutations.changes(ast.parse(SOURCE), {})
    index = next(number for number, change in enumerate(changes) if change.text == text)
    code = mutations.compiled(SOURCE, "module.py", index, {})
    for function, new in swaps_of("module.py", changes[index].function, code, living):
        function.__code__ = new
    return checked


@pytest.mark.parametrize(
    ("text", "found"),
    [("value + value → value - value", [0, 0]), ("value < limit → value >= limit", [0, 40])],
    ids=["in a function", "in one that a decorator has made"],
)
def test_a_change_is_in_the_functions_that_live(text: str, found: list[int]) -> None:
    changed = run_with(text)
    assert [changed(5), changed(20)] == found
