"""What has come of a fragment so far, and how a native agent resumes it, as `agentsim.native.fetch` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from distd.wire import content_range

if TYPE_CHECKING:
    from distd.lane.client.link import Caller, Link

OK, PARTIAL, RANGE_NOT_SATISFIABLE = 200, 206, 416
WRONG_RANGE: Final = -1  # instead of the status of a 206 that does not go on where the bytes so far end


class PartialFragment:
    """Bytes are counted, and hashed where there is something to hash them with."""

    __slots__ = ("hash", "length")

    def __init__(self, hash_: Any = None) -> None:
        self.hash = hash_
        self.length = 0

    def update(self, view: memoryview) -> None:
        """Take the bytes that have come."""
        self.length += len(view)
        if self.hash is not None:
            self.hash.update(view)


class ResumedFragment(PartialFragment):
    """A fragment that a request resumes behind its `length` bytes, in a new answer to `caller`: a 206 that fits goes
    on, a 200 starts again, and what any other says is no part of it.

    `name`: the fragment's. `tag`: the strong ETag of what came; empty when there is none. `status`: the answer's, 0
    until something of it has come, or `WRONG_RANGE`.
    """

    __slots__ = ("_caller", "name", "status", "tag")

    def __init__(self, partial: PartialFragment, caller: Caller, name: str, tag: str) -> None:
        super().__init__(partial.hash)
        self.length = partial.length
        self.name, self.tag = name, tag
        self.status = 0
        self._caller = caller

    @property
    def fields(self) -> str:
        """Of the head of the request."""
        return f"Range: bytes={self.length}-\r\nIf-Range: {self.tag}\r\n"

    def update(self, view: memoryview) -> None:
        """Take bytes of the answer, if they belong to the fragment."""
        if not self.status and self._caller.link is not None:
            self._read_head(self._caller.link)
        if self.status in (OK, PARTIAL):
            super().update(view)

    def _read_head(self, link: Link) -> None:
        self.status = link.status
        tag = link.field(b"etag")
        if link.status == OK:
            self.length, self.tag = 0, tag if is_strong(tag) else ""
            if self.hash is not None:
                self.hash.reset()
        elif link.status == PARTIAL:
            span = content_range.parse(link.field(b"content-range"))
            if span is None or span.first != self.length or tag not in ("", self.tag):
                self.status = WRONG_RANGE


def resume(
    partial: PartialFragment | None, link: Link | None, status: int, caller: Caller, name: str
) -> ResumedFragment | None:
    """What the next request for the fragment can resume, now that one has failed; None: it starts again.

    `link`: as in `Caller.failed`. `status`: of an answer that came whole, 0 when none did.
    """
    if isinstance(partial, ResumedFragment):
        can_resume = partial.tag and status != RANGE_NOT_SATISFIABLE and partial.status != WRONG_RANGE
        return ResumedFragment(partial, caller, name, partial.tag) if can_resume else None
    if partial is None or not partial.length or status or link is None or link.status != OK:
        return None
    tag = link.field(b"etag")
    return ResumedFragment(partial, caller, name, tag) if is_strong(tag) else None


def is_strong(tag: str) -> bool:
    """Whether an ETag lets a later request resume: only strong ones do (RFC 9110, 13.1.5)."""
    return tag.startswith('"')
