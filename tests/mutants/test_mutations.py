"""What is changed in a source, and what is left alone."""

from __future__ import annotations

import ast

import pytest

from tests.mutants import mutations


def texts(source: str, **members: list[str]) -> list[str]:
    return [change.text for change in mutations.changes(ast.parse(source), members)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(a, b):\n    return a < b", ["a < b → a <= b", "a < b → a >= b"]),
        ("def f(a, b):\n    return a is b", ["a is b → a is not b"]),
        ("def f(a, b):\n    return a and b", ["a and b → a or b"]),
        ("def f(a):\n    return not a", ["not a → a"]),
        ("def f(a):\n    if a:\n        return", ["a → not a", "return → pass"]),
        ("def f(a, b):\n    return a + b", ["a + b → a - b"]),
        ("def f():\n    return 7", ["7 → 8"]),
        ("def f():\n    return True", ["True → False"]),
        ("def f(a):\n    a.g()", ["a.g() → pass"]),
        ("async def f(a):\n    await a", ["await a → pass"]),
        ("def f(a, b):\n    a.x = b", ["a.x = b → pass"]),
        ("def f(a, b):\n    a += b", ["a += b → pass", "a += b → a -= b"]),
        ("def f(a):\n    raise a", ["raise a → pass"]),
        ("def f():\n    return Kind.A", ["Kind.A → Kind.B"]),
        ("class C:\n    limit: int = 3", ["3 → 4"]),
        ("def f(limit=3):\n    pass", ["3 → 4"]),
    ],
)
def test_changes(source: str, found: list[str]) -> None:
    assert texts(source, Kind=["A", "B"]) == found


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""\nLIMIT: Final = 3',
        "def f(a: int | None) -> int | None:\n    assert a > 3",
        "@cached(3)\ndef f(log):\n    log.info(3)",
        "def f(self):\n    self._log(f'{self}')",
        "def f(a):\n    return 'a' + f'{a + 1}'",
        "if TYPE_CHECKING:\n    x = 3",
        "class P(Protocol):\n    x = 3",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    assert texts(source) == []


def test_a_change_is_in_the_code() -> None:
    source = "def f(a):\n    def g():\n        return a < 3\n    return g()\n"
    tree = ast.parse(source)
    (change, *_) = found = mutations.changes(tree, {})
    assert change.function == ("f", 1)
    assert list(change.lines) == [3]
    values = []
    for index in range(len(found)):
        space: dict[str, object] = {}
        exec(mutations.compiled(source, "m", index, {}), space)
        f = space["f"]
        assert callable(f)
        values.append([f(2), f(3), f(4)])
    assert values == [[True, True, False], [False, True, True], [True, True, False]]


def test_the_members_of_enumerations() -> None:
    source = "class Kind(StrEnum):\n    A = 'a'\n    B = 'b'\nclass Other:\n    C = 1\n"
    assert mutations.enumerations({"m": source}) == {"Kind": ["A", "B"]}
