"""What the lane is answered: POSTs by the batch, files by the mirrors."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from distd.domain.errors import BadInput, TooLarge, Unavailable
from distd.domain.records import PrologRequest
from distd.lane.backend import Post
from distd.origin.agents.authentication import Proof
from distd.origin.agents.posts import Reply
from distd.server.backend import OriginBackend
from distd.server.other_requests import OtherRequests
from distd.server.progress import ProgressRecorder
from distd.server.steering import Steering

if TYPE_CHECKING:
    from collections.abc import Callable

POST = Post(b"body", "10.0.0.9", "agent")


class Batch:
    """Answers each post with `outcome` at once."""

    def __init__(self) -> None:
        self.outcome: Reply | Exception = Reply(200, b"reply", PrologRequest("pc"))

    def put(self, post: Any, answer: Callable[[Reply | Exception], None]) -> None:
        assert (post.body, post.address, post.user_agent) == (b"body", "10.0.0.9", "agent")
        assert post.proof == Proof(login="school")
        answer(self.outcome)


class Access:
    """Knows one token, and lets all agents in."""

    computer_of = staticmethod({"1-aa": 7}.get)

    def prove(self, post: Any, take: Any, answer: Any) -> None:
        take(Proof(login="school"))

    def challenge(self) -> bytes:
        return b"WWW-Authenticate: Basic\r\n"


@pytest.fixture
def batch() -> Batch:
    return Batch()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
async def backend(batch: Any, reader: Any, writer: Any, waits: list[float]) -> OriginBackend:
    log, access = logging.getLogger("distd"), cast("Any", Access())
    progress, others = ProgressRecorder(writer, log), OtherRequests(cast("Any", None), cast("Any", None))
    return OriginBackend(batch, Steering(reader, log), progress, others, access, waits.append, log)


def ask(backend: OriginBackend) -> tuple[int, bytes]:
    answers: list[tuple[int, bytes, bytes]] = []
    backend.post(POST, lambda status, content, fields=b"": answers.append((status, content, fields)))
    (answer,) = answers
    assert (answer[2] != b"") == (answer[0] == 401)
    return answer[:2]


async def test_who_must_log_in_is_asked_to(backend: OriginBackend, batch: Batch) -> None:
    batch.outcome = Reply(401, b"log in\n", PrologRequest("pc"))
    assert ask(backend) == (401, b"log in\n")


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
    assert backend.computer_of("1-aa") == 7
    assert backend.computer_of("1-00") is None


async def test_a_package_that_is_not_here_is_not_found(backend: OriginBackend) -> None:
    assert not backend.may_be_redirected("17")
