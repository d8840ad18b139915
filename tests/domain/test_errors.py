"""Errors say what was expected and what was got, in one line."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from typing import Any

import pytest

import distd
from distd.domain.errors import BadInput, Conflict, Corrupt, DistdError, NoSpace, NotFound, TooLarge, Unavailable
from distd.domain.filters.parse import BadFilter

EXAMPLES = [
    (BadInput("priority", "0 to 10", 11), "priority: expected 0 to 10, got 11"),
    (BadInput("name", "a name", ""), "name: expected a name, got nothing"),
    (BadInput("name", "one line", "a\r\nb"), r"name: expected one line, got a\r\nb"),
    (BadInput("os", "an OS", "OS/2", "say OTHER"), "os: expected an OS, got OS/2; say OTHER"),
    (BadInput("REQUEST/ID", "digits", b"\xff\n"), r"REQUEST/ID: expected digits, got b'\xff\n'"),
    (TooLarge("body", "at most 9 bytes", "more"), "body: expected at most 9 bytes, got more"),
    (NotFound("package", "a package", "17", "see `list`"), "package: expected a package, got 17; see `list`"),
    (Conflict("http", "the port is taken"), "http: the port is taken"),
    (Conflict("http", "the port is taken", "take another"), "http: the port is taken; take another"),
    (Corrupt("fragment 3 of 17", "BLAKE3 aa", "bb"), "fragment 3 of 17: expected BLAKE3 aa, got bb"),
    (Unavailable("http://m/", "refused"), "http://m/: refused"),
    (
        BadInput("source", "a file", "/srv/\udce9t\udce9", "look: \udcff"),
        r"source: expected a file, got /srv/\udce9t\udce9; look: \udcff",
    ),
    (Conflict("source", "\udcff is gone\0"), r"source: \udcff is gone\0"),
    (Corrupt("\udcff", "aa", "bb"), r"\udcff: expected aa, got bb"),
    (Unavailable("\udcff", "gone"), r"\udcff: gone"),
]


@pytest.mark.parametrize(
    ("error", "text"), EXAMPLES, ids=[f"{type(error).__name__}: {text}" for error, text in EXAMPLES]
)
def test_texts(error: Any, text: Any) -> None:
    assert str(error) == text
    assert isinstance(error, DistdError)


def test_a_long_value_is_shortened_in_the_text_only() -> None:
    error = BadInput("body", "XML", "x" * 10_000)
    assert len(str(error)) < 200
    assert str(error).endswith("…")
    assert error.got == "x" * 10_000


@pytest.mark.parametrize(
    ("kind", "is_bad_input"),
    [(TooLarge, True), (NotFound, True), (Conflict, False), (Corrupt, False), (Unavailable, False)],
)
def test_the_caller_branches_by_class(kind: Any, is_bad_input: Any) -> None:
    assert issubclass(kind, BadInput) is is_bad_input


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda error: type(error).__name__)
def test_errors_cross_processes(error: Any) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))


def _subclasses(kind: type[DistdError]) -> set[type[DistdError]]:
    return {kind}.union(*map(_subclasses, kind.__subclasses__()))


def _made(kind: type[DistdError]) -> DistdError:
    """One of the class, whatever it wants: `place` is two numbers, others are texts, which a number may be too."""
    wanted = list(inspect.signature(kind.__init__).parameters.values())[1:]
    values = [
        (1, 2) if each.name == "place" else f"a {each.name}"
        for each in wanted
        if each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    return kind(*values)


def test_all_errors_cross_processes() -> None:
    for module in pkgutil.walk_packages(distd.__path__, "distd."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = {kind for kind in _subclasses(DistdError) if kind.__module__.startswith("distd.")}
    assert {BadFilter, NoSpace} < kinds
    for error in map(_made, kinds):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))
