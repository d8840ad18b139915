"""What use cases say in the errors that they raise, read from their source: sentences with {0}, {1}, … for values."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import distd
from distd.domain import rollout, rollout_acts
from distd.domain.filters.parse import TOKEN_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = Path(distd.__file__).parent
# What an operator of the console can come upon; the others speak to commands, agents and mirrors.
SOURCES: Final = (
    "domain",
    "operations",
    "origin",
    "packaging",
    "storage/quota.py",
    "storage/uploads.py",
    "web/api/login_queue.py",
    "web/console",
    "web/forecast_turns.py",
    *("catalogue/engine.py", "catalogue/writer.py", "lane/child_process.py", "server/forecasts.py"),
    *("storage/atomic.py", "storage/package_dirs.py", "wire/webhook.py"),
)
LEFT_OUT: Final = (
    *("domain/database_url.py", "domain/settings.py", "domain/sign_in_settings.py", "domain/sign_in.py"),
    *("origin/agents", "origin/idempotency.py", "origin/installation.py", "origin/mirrors/certificates.py"),
    *("origin/mirrors/identity.py", "packaging/ocs_import.py"),
)
MIN_LETTERS: Final = 5
# Of each kind of error, which of its arguments are sentences.
TOLD: Final = {
    **dict.fromkeys(("BadInput", "NotFound", "TooLarge", "DigestMismatch"), (1, 3)),
    "BadFilter": (0, 2),
    **dict.fromkeys(("Conflict",), (1, 2)),
    **dict.fromkeys(("Unavailable", "NoSpace", "Corrupt"), (1,)),
}


def collect() -> set[str]:
    """All of them, but those that are hardly more than values: "{0} to {1}"; and why roll-outs halt."""
    raised = {text for path in _files() for text in _of_file(path) if _says_something(text)}
    tokens = {part for name in TOKEN_NAMES.values() for part in name.split(" or ") if part.isascii() and " " in part}
    return raised | tokens | rollout_acts.SENTENCES | {_numbered(text) for text in rollout.REASONS.values()}


def _numbered(text: str) -> str:
    """{0}, {1}, … in the places of {names}."""
    places = iter(range(10))
    return re.sub(r"{\w+}", lambda _: f"{{{next(places)}}}", text)


def _says_something(text: str) -> bool:
    return "{0}" not in text or not text.startswith(("{", "a {")) or sum(map(str.isalpha, text)) >= MIN_LETTERS


def _files() -> Iterator[Path]:
    for name in SOURCES:
        for path in sorted([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py")):
            if not path.relative_to(ROOT).as_posix().startswith(LEFT_OUT):
                yield path


def _of_file(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    constants = _assigned(tree.body)
    for within in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
        known = constants | _assigned(ast.walk(within)) if within is not tree else constants
        for node in ast.walk(within):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for place in TOLD.get(node.func.id, ()):
                    for argument in node.args[place : place + 1]:
                        yield from _texts(argument, known)


def _assigned(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """What names are given, each time."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for name, value in pairs:
            if isinstance(name, ast.Name):
                found.setdefault(name.id, []).append(value)
    return found


def _texts(node: ast.expr, constants: dict[str, list[ast.expr]]) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            places = iter(range(10))
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else f"{{{next(places)}}}" for p in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, constants)
            yield from _texts(other, constants)
        case ast.Name(id=name):
            for value in constants.get(name, ()):
                yield from _texts(value, {})
