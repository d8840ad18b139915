"""What an answer adds to a fragment, and when a later request can resume it."""

from __future__ import annotations

from typing import Any

import pytest
from blake3 import blake3

from agentsim.fleet.partial_fragment import OK, PARTIAL, WRONG_RANGE, PartialFragment, ResumedFragment, resume


class Answer:
    """A link, and its caller."""

    def __init__(self, status: int, **fields: str) -> None:
        self.status, self.fields = status, fields
        self.link: Any = self

    def answered(self, link: object) -> None:
        raise NotImplementedError

    def failed(self, why: str, link: object) -> None:
        raise NotImplementedError

    def field(self, name: bytes) -> str:
        return self.fields.get(name.decode().replace("-", "_"), "")


def partial(data: bytes = b"abc") -> PartialFragment:
    made = PartialFragment(blake3())
    made.update(memoryview(data))
    return made


def resumed(answer: Answer, data: bytes = b"def", tag: str = '"1"') -> ResumedFragment:
    rest = ResumedFragment(partial(), answer, "17-1", tag)
    assert rest.fields == f"Range: bytes=3-\r\nIf-Range: {tag}\r\n"
    for byte in data:
        rest.update(memoryview(bytes([byte])))
    return rest


@pytest.mark.parametrize(
    ("answer", "status", "content", "tag"),
    [
        (Answer(PARTIAL, content_range="bytes 3-5/6", etag='"1"'), PARTIAL, b"abcdef", '"1"'),
        (Answer(PARTIAL, content_range="bytes 3-5/6"), PARTIAL, b"abcdef", '"1"'),
        (Answer(PARTIAL, content_range="bytes 2-5/6"), WRONG_RANGE, b"abc", '"1"'),
        (Answer(PARTIAL, content_range="bytes 3-5/6", etag='"2"'), WRONG_RANGE, b"abc", '"1"'),
        (Answer(PARTIAL), WRONG_RANGE, b"abc", '"1"'),
        (Answer(OK, etag='"2"'), OK, b"def", '"2"'),
        (Answer(OK, etag='W/"2"'), OK, b"def", ""),
        (Answer(404), 404, b"abc", '"1"'),
        (Answer(302), 302, b"abc", '"1"'),
    ],
)
def test_an_answer_to_a_resumed_fragment(answer: Answer, status: int, content: bytes, tag: str) -> None:
    rest = resumed(answer)
    assert (rest.status, rest.length, rest.tag) == (status, len(content), tag)
    assert rest.hash.digest() == blake3(content).digest()


@pytest.mark.parametrize(
    ("left", "link", "answer", "goes_on"),
    [
        (partial(), Answer(OK, etag='"1"'), 0, True),
        (partial(), Answer(OK, etag='W/"1"'), 0, False),
        (partial(), Answer(OK), 0, False),
        (partial(), Answer(404, etag='"1"'), 404, False),
        (partial(), None, 0, False),
        (PartialFragment(blake3()), Answer(OK, etag='"1"'), 0, False),
        (None, Answer(OK, etag='"1"'), 0, False),
        (ResumedFragment(partial(), Answer(0), "17-1", '"1"'), None, 0, True),
        (ResumedFragment(partial(), Answer(0), "17-1", '"1"'), Answer(404), 404, True),
        (ResumedFragment(partial(), Answer(0), "17-1", '"1"'), Answer(416), 416, False),
        (resumed(Answer(PARTIAL, content_range="bytes 3-5/6")), Answer(PARTIAL), 0, True),
        (resumed(Answer(PARTIAL, content_range="bytes 0-5/6")), Answer(PARTIAL), 0, False),
        (resumed(Answer(OK, etag='"2"')), Answer(OK), 0, True),
        (resumed(Answer(OK)), Answer(OK), 0, False),
    ],
)
def test_when_the_next_request_resumes(left: PartialFragment | None, link: Any, answer: int, goes_on: bool) -> None:
    found = resume(left, link, answer, Answer(0), "17-1")
    assert (found is not None) is goes_on
    if found is not None and left is not None:
        assert (found.status, found.length, found.tag) == (0, left.length, getattr(left, "tag", '"1"'))
        assert found.hash.digest() == left.hash.digest()
