"""Which module of the source imports which, read from the source text: imports for types and inside functions too."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("distd", "redistrib", "agentsim")


def module_files(*packages: str) -> dict[str, Path]:
    """Dotted name → file of every module of the packages, which are folders of the repository."""
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(*packages: str) -> dict[str, set[str]]:
    """Module → the modules of the same packages that it imports, wherever in it the import is."""
    files = module_files(*packages)
    return {
        name: {target for target in _imports(name, path) if target in files and target != name}
        for name, path in files.items()
    }


def _imports(name: str, path: Path) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            # `from a.b import c` is an import of the module a.b.c where there is one, else of a.b.
            submodules = [f"{base}.{alias.name}" for alias in node.names]
            yield from submodules
            if any(not _is_module(submodule) for submodule in submodules):
                yield base


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def find_cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The shortest cycle of every group of modules that import one another, its first module repeated at the end."""
    reached = {node: _reachable(graph, node) for node in graph}
    found, seen = [], set[str]()
    for start in sorted(graph):
        if start not in seen and start in reached[start]:
            group = {node for node in reached[start] if start in reached[node]}
            found.append(min((_path_back(graph, node) for node in sorted(group)), key=len))
            seen |= group
    return found


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    pending = list(graph[start])
    while pending:
        node = pending.pop()
        if node not in reached:
            reached.add(node)
            pending += graph[node]
    return reached


def _path_back(graph: Mapping[str, set[str]], start: str) -> list[str]:
    """The shortest way from a node that is on a cycle back to it."""
    paths = [[start]]
    seen: set[str] = set()
    for path in paths:
        for node in sorted(graph[path[-1]]):
            if node == start:
                return [*path, start]
            if node not in seen:
                seen.add(node)
                paths.append([*path, node])
    raise ValueError(f"expected a node on a cycle, got {start}")
