"""The field Content-Range of an answer or of an upload (RFC 9110, 14.4)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# No file has more than 15 digits of bytes; longer numbers are an attack on `int`.
_FIELD: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")


class ContentRange(NamedTuple):
    """The bytes `first` to `last`, both included, of `total`; None: the sender does not know how many."""

    first: int
    last: int
    total: int | None

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1


def parse(text: str) -> ContentRange | None:
    """None for anything but bytes of a file in their order; so also for "bytes */1000", which gives none."""
    match = _FIELD.fullmatch(text.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)
