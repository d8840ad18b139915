"""To which computers an operator is restricted: a filter, as computers are searched. Pure.

tag = "site 4"        os ~ "windows*" AND NOT group("Servers")
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from distd.domain.filters.tree import Node

MAX_FILTER: Final = 4096  # characters

# What the version before took for a value and a restriction. Some of it is no filter: `tag = ~x`, `tag = "c:\"`.
_VALUE: Final = r'"[^"]+"|[^\s",()=]+'
_EQUALS: Final = re.compile(rf"\s*tag\s*=\s*({_VALUE})\s*", re.IGNORECASE)
_IN: Final = re.compile(rf"\s*tag\s+in\s*\(\s*((?:{_VALUE})(?:\s*,\s*(?:{_VALUE}))*)\s*\)\s*", re.IGNORECASE)


def read_restriction(text: str, field: str = "filter") -> Node:
    """The tree of a restriction's filter. Raises `BadInput` that names `field`."""
    from distd.domain.filters import parse, tree  # here, because few commands need it: its parser takes a while

    if len(text) > MAX_FILTER:
        raise BadInput(field, f"at most {MAX_FILTER} characters", f"{len(text)} characters")
    try:
        return parse.parse(text)
    except BadInput as error:
        found = _EQUALS.fullmatch(text) or _IN.fullmatch(text)
        if found is None:
            error.field = field
            raise
    return tree.compare("tag", "in", [value.strip('"') for value in re.findall(_VALUE, found.group(1))])
