"""Text, tree, JSON: what one makes, the others read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from distd.domain.filters.json_form import from_json, to_json
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render
from tests.fixtures import filters

if TYPE_CHECKING:
    from distd.domain.filters.tree import Node


@given(filters.trees)
def test_text_and_json_say_the_whole_tree(tree: Node) -> None:
    assert parse(render(tree)) == tree
    assert from_json(json.loads(json.dumps(to_json(tree)))) == tree


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("windows", "windows"),
        ("windows lyon", "windows AND lyon"),
        ("windows (lyon or paris)", "windows AND (lyon OR paris)"),
        ("a and b or c", "(a AND b) OR c"),
        ("not not a", "a"),
        ("NOT(a)", "NOT a"),
        ('"not"', '"not"'),
        ('"memory"', '"memory"'),
        ('os ~ "windows*" and TAG="site 4"', 'os ~ "windows*" AND tag = "site 4"'),
        ("tag != a", 'tag != "a"'),
        ("cores = 000000000000000000000000123", "cores = 123"),
        ("not tag = a", 'tag != "a"'),
        ('tag = ""', "tag is empty"),
        ("tag is not empty", "tag is not empty"),
        ("memory >= 8 GiB lyon", "memory >= 8GiB AND lyon"),
        ("memory>=8Go", "memory >= 8GB"),
        ("memory >= 2048MiB", "memory >= 2GiB"),
        ("last_contact < 168h", "last_contact < 7d"),
        ("last_contact > 2026/11/26", "last_contact > 2026-11-26"),
        ("last_contact > 26/11/2026", "last_contact > 2026-11-26"),
        ('last_contact = "26/11/2026 18:00"', 'last_contact = "2026-11-26 18:00"'),
        ('last_contact = "2026-11-26 18:00"', 'last_contact = "2026-11-26 18:00"'),
        ("ip in 10.1.2.3/16", "ip in 10.1.0.0/16"),
        ("ip in (10.1.0.0/16, ::1)", "ip in (10.1.0.0/16, ::1)"),
        ("mac = 00-1A-2B-3C-4D-5E", "mac = 00:1a:2b:3c:4d:5e"),
        ("tag in (a, b, a)", 'tag in ("a", "b")'),
        ("software(7-Zip)", 'software("7-Zip")'),
        ('software("*firefox*", version >= 115)', 'software("*firefox*", version >= "115")'),
        ('software(name = "x")', 'software(name = "x")'),
        ("package(1795419744) = failed", "package(1795419744) = FAILED"),
        ('package("1795419744")', 'package("1795419744")'),
        ("package(Putty) in (FAILED, success)", 'package("Putty") in (FAILED, SUCCESS)'),
        ("package(Putty) != SUCCESS", 'NOT package("Putty") = SUCCESS'),
        ("group ( x )", 'group("x")'),
        ('account."Salle info" = B12', 'account."Salle info" = "B12"'),
        (r'name = "a\"b\\c\d"', r'name = "a\"b\\c\\d"'),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert render(parse(text)) == canonical
    assert render(parse(canonical)) == canonical
