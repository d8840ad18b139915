"""What has come of a fragment so far, and how a native agent resumes it, as `agentsim.native.fetch` does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from distd.lane.client.link import Caller, Link

OK, PARTIAL, TOO_FAR = 200, 206, 416
UNFIT: Final = -1  # instead of the status of a 206 that does not go on where the part ends
_SPAN: Final = re.compile(r"bytes (\d+)-")


class Part:
    """Counted, and hashed where there is something to hash it with."""

    __slots__ = ("hash", "length")

    def __init__(self, hash_: Any = None) -> None:
        self.hash = hash_
        self.length = 0

    def update(self, view: memoryview) -> None:
        self.length += len(view)
        if self.hash is not None:
            self.hash.update(view)


class Rest(Part):
    """A part that a request goes on with, behind its `length` bytes, in a new answer to `caller`: a 206 that fits goes
    on, a 200 starts anew, and what any other says is none of it.

    `name`: the fragment's. `tag`: the strong ETag of its origin; empty when there is none. `status`: the answer's,
    0 until something has come of it, or `UNFIT`.
    """

    __slots__ = ("_caller", "name", "status", "tag")

    def __init__(self, part: Part, caller: Caller, name: str, tag: str) -> None:
        super().__init__(part.hash)
        self.length = part.length
        self.name, self.tag = name, tag
        self.status = 0
        self._caller = caller

    @property
    def fields(self) -> str:
        """Of the head of the request."""
        return f"Range: bytes={self.length}-\r\nIf-Range: {self.tag}\r\n"

    def update(self, view: memoryview) -> None:
        if not self.status and self._caller.link is not None:
            self._take_up(self._caller.link)
        if self.status in (OK, PARTIAL):
            super().update(view)

    def _take_up(self, link: Link) -> None:
        self.status = link.status
        tag = link.field(b"etag")
        if link.status == OK:
            self.length, self.tag = 0, tag if tag.startswith('"') else ""
            if self.hash is not None:
                self.hash.reset()
        elif link.status == PARTIAL:
            span = _SPAN.match(link.field(b"content-range"))
            if span is None or int(span[1]) != self.length or tag not in ("", self.tag):
                self.status = UNFIT


def rest_of(part: Part | None, link: Link | None, answer: int, caller: Caller, name: str) -> Rest | None:
    """What the next request for the fragment can go on with, now that one has failed; None: it starts anew.

    `link`: as `Caller.failed` has it. `answer`: the status of an answer that came whole, 0 when none did.
    """
    if isinstance(part, Rest):
        goes_on = part.tag and answer != TOO_FAR and part.status != UNFIT
        return Rest(part, caller, name, part.tag) if goes_on else None
    if part is None or not part.length or answer or link is None or link.status != OK:
        return None
    tag = link.field(b"etag")
    return Rest(part, caller, name, tag) if tag.startswith('"') else None  # only strong ones: RFC 9110, 13.1.5
