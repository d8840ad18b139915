"""What does not fit into a struct: by which field it is refused."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from distd.domain.errors import BadInput
from distd.wire.structs import convert


class Inner(msgspec.Struct):
    count: int = 0


class Outer(msgspec.Struct):
    name: str
    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    inner: Inner = msgspec.field(default_factory=Inner)
    rows: Annotated[list[tuple[str, int]], msgspec.Meta(max_length=2)] = []


def test_lists_are_rows_and_unknown_fields_are_ignored() -> None:
    found = convert({"name": "a", "rows": [["x", 1]], "inner": {"count": 3, "more": 1}, "newer": None}, Outer, "it")
    assert found == Outer("a", 0, Inner(3), [("x", 1)])


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({}, "it/name", "it/name: expected a value, got nothing"),
        ({"name": 1}, "it/name", "it/name: expected str, got int"),
        ({"name": "a", "size": -1}, "it/size", "it/size: expected int >= 0, got another value"),
        ({"name": "a", "size": True}, "it/size", "it/size: expected int, got bool"),
        ({"name": "a", "inner": {"count": "1"}}, "it/inner/count", "it/inner/count: expected int, got str"),
        ({"name": "a", "inner": 1}, "it/inner", "it/inner: expected object, got int"),
        ({"name": "a", "rows": [["x", "1"]]}, "it/rows", "it/rows: expected int, got str"),
        ({"name": "a", "rows": [["x"]]}, "it/rows", "it/rows: expected array of length 2, got 1"),
        ({"name": "a", "rows": [["x", 1]] * 3}, "it/rows", "it/rows: expected array of length <= 2, got another value"),
    ],
)
def test_what_does_not_fit(values: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        convert(values, Outer, "it")
    assert (caught.value.field, str(caught.value)) == (field, message)
