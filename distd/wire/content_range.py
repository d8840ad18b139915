"""The header field Content-Range of an answer or of an upload (RFC 9110, 14.4)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# No file has more than 15 digits of bytes; longer numbers would only cost time in `int`.
_FIELD: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")


class ContentRange(NamedTuple):
    """The bytes `first` to `last`, both included, of `total`; `total` None: the sender does not know it."""

    first: int
    last: int
    total: int | None

    @property
    def length(self) -> int:
        """The number of these bytes."""
        return self.last - self.first + 1


def parse(text: str) -> ContentRange | None:
    """Read the field; None if it is invalid, or has no range ("bytes */1000")."""
    match = _FIELD.fullmatch(text.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)
