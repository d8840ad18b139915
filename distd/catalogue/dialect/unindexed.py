"""A comparison for which SQLite shall not use an index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class unindexed(FunctionElement[int]):  # noqa: N801 - it is used as a function
    """A number that SQLite compares in the rows that it reads, and does not look for in an index. PostgreSQL knows
    better by itself."""

    type = Integer()
    inherit_cache = True


@compiles(unindexed)
def _compile_unindexed(element: unindexed, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.clauses, **options)
    return text


@compiles(unindexed, "sqlite")
def _compile_unindexed_sqlite(element: unindexed, compiler: Any, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
