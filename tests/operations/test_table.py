"""The table of operations: what holds of all of them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from distd.operations.operation import Way
from distd.operations.table import OPERATIONS

if TYPE_CHECKING:
    from distd.operations.operation import Operation

BY_NAME = {operation.name: operation for operation in OPERATIONS}
each = pytest.mark.parametrize("operation", OPERATIONS, ids=BY_NAME)


def test_names_and_places_are_unique() -> None:
    assert len(BY_NAME) == len(OPERATIONS)
    places = Counter((operation.method, operation.path) for operation in OPERATIONS)
    assert [place for place, count in places.items() if count > 1] == []


@each
def test_what_changes_something_needs_more_than_to_read(operation: Operation[Any]) -> None:
    assert operation.act.endswith(".read") == (operation.method == "GET")
    assert (operation.method == "GET") == (operation.way is Way.READ) or operation.way is Way.WORK


@each
def test_what_is_given_comes_one_way(operation: Operation[Any]) -> None:
    assert operation.query is None or operation.body is None
    assert operation.body is None or operation.method in ("POST", "PUT", "PATCH")
    assert operation.query is None or operation.method == "GET"


@each
def test_keys_and_tags_belong_to_transactions_and_resources(operation: Operation[Any]) -> None:
    if operation.keyed:
        assert (operation.method, operation.way) == ("POST", Way.WRITE)
    if operation.guarded_by is not None:
        assert operation.guarded_by.tag_of is not None
        assert re.findall(r"{\w+}", operation.path) == re.findall(r"{\w+}", operation.guarded_by.path)
    if operation.check is not None:
        assert operation.way is Way.WRITE
