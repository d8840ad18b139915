"""What the lane is answered: POSTs by the batch, files by the mirrors."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, TooLarge, Unavailable
from distd.domain.records import PrologRequest
from distd.lane.backend import Post
from distd.origin.agents.posts import Reply
from distd.server.backend import OriginBackend
from distd.server.progress import ProgressRecorder
from distd.server.steering import Steering
from distd.wire import tokens

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"k" * 32
POST = Post(b"body", "10.0.0.9", "agent")


class Batch:
    """Answers each post with `outcome` at once."""

    def __init__(self) -> None:
        self.outcome: Reply | Exception = Reply(200, b"reply", PrologRequest("pc"))

    def put(self, post: Any, answer: Callable[[Reply | Exception], None]) -> None:
        assert (post.body, post.address, post.user_agent) == (b"body", "10.0.0.9", "agent")
        answer(self.outcome)


@pytest.fixture
def batch() -> Batch:
    return Batch()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
async def backend(batch: Any, reader: Any, writer: Any, waits: list[float]) -> OriginBackend:
    log = logging.getLogger("distd")
    progress = ProgressRecorder(writer, log)
    return OriginBackend(batch, Steering(reader), progress, lambda *_: None, lambda: (KEY,), waits.append, log)


def ask(backend: OriginBackend) -> tuple[int, bytes]:
    answers: list[tuple[int, bytes]] = []
    backend.post(POST, lambda status, body: answers.append((status, body)))
    (answer,) = answers
    return answer


async def test_a_reply_goes_out_as_it_is(backend: OriginBackend, waits: list[float]) -> None:
    assert ask(backend) == (200, b"reply")
    assert len(waits) == 1


async def test_a_contact_is_a_line_at_debug(backend: OriginBackend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "distd")
    ask(backend)
    assert caplog.records == []
    caplog.set_level(logging.DEBUG, "distd")
    ask(backend)
    (record,) = caplog.records
    fields = dict(record.fields)  # type: ignore[attr-defined]
    assert fields.pop("ms") >= 0
    assert (record.levelname, record.getMessage()) == ("DEBUG", "PROLOG")
    assert fields == {"computer": "pc", "address": "10.0.0.9", "agent": "agent", "bytes": 5}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("REQUEST", "XML", "no"), 400),
        (TooLarge("REQUEST", "at most 1 byte", 2), 413),
        (Unavailable("catalogue", "full"), 503),
        (ZeroDivisionError("division by zero"), 500),
    ],
)
async def test_what_fails_has_a_status_and_a_line_in_the_log(
    backend: OriginBackend, batch: Batch, error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    batch.outcome = error
    assert ask(backend) == (status, f"{error}\n".encode())
    (record,) = caplog.records
    assert record.getMessage().startswith("10.0.0.9: ")
    assert (record.exc_info is not None) == (status == 500)


async def test_tokens(backend: OriginBackend) -> None:
    assert backend.computer_of(tokens.make(KEY, 7)) == 7
    assert backend.computer_of("1-00") is None


async def test_a_package_that_is_not_here_is_not_found(backend: OriginBackend) -> None:
    assert not backend.may_be_redirected("17")
