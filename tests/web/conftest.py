"""The web's tests have a catalogue, and agents that post to it. Each makes an application: what that costs most is made
cheap, or done once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from quart import Quart
from werkzeug.routing import Rule

from distd.origin.operators import operators
from tests.fixtures.compiled_once import CompiledTemplates
from tests.fixtures.origin import data, new_package, origin, package_store, pc, publish, reader, writer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["data", "new_package", "origin", "package_store", "pc", "publish", "reader", "writer"]

CHEAP = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)  # 0.3 s of CPU less


@pytest.fixture(scope="session", autouse=True)
def _cheap_applications() -> Iterator[None]:
    """Hashes that say how they were made, so that they are checked as cheaply; and routes and
    templates that are compiled once: the hundred routes of an application take 0.3 s."""
    made: dict[tuple[str, bool], Any] = {}
    compile_builder = Rule._compile_builder

    def remembered(rule: Rule, append_unknown: bool = True) -> Any:
        if rule.defaults or rule.subdomain or rule.host:
            return compile_builder(rule, append_unknown)
        key = rule.rule, append_unknown
        if key not in made:
            made[key] = compile_builder(rule, append_unknown)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", remembered)
        patch.setattr(operators, "PasswordHasher", CHEAP)
        patch.setattr(Quart, "jinja_options", {**Quart.jinja_options, "bytecode_cache": CompiledTemplates()})
        yield
