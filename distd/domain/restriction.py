"""To which computers an operator is restricted: a filter of which only comparisons of tags are understood. Pure.

tag = "site 4"        tag in ("site 4", "site 5")
"""

from __future__ import annotations

import re
from typing import Final

from distd.domain.errors import BadInput

MAX_FILTER: Final = 4096  # characters

_VALUE: Final = r'"[^"]+"|[^\s",()=]+'
_EQUALS: Final = re.compile(rf"\s*tag\s*=\s*({_VALUE})\s*", re.IGNORECASE)
_IN: Final = re.compile(rf"\s*tag\s+in\s*\(\s*((?:{_VALUE})(?:\s*,\s*(?:{_VALUE}))*)\s*\)\s*", re.IGNORECASE)


def read_tags(text: str, field: str = "filter") -> tuple[str, ...]:
    """The tags that a filter names. Raises `BadInput`."""
    if len(text) > MAX_FILTER:
        raise BadInput(field, f"at most {MAX_FILTER} characters", f"{len(text)} characters")
    found = _EQUALS.fullmatch(text) or _IN.fullmatch(text)
    if found is None:
        raise BadInput(field, 'a filter such as tag = "site 4", or tag in ("site 4", "site 5")', text)
    return tuple(value.strip('"') for value in re.findall(_VALUE, found.group(1)))
