"""What the lane asks of the origin: replies to agents' POSTs, tokens, mirrors, and who serves other requests."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from distd.domain.errors import DistdError, Unreachable
from distd.domain.records import DownloadRequest, InventoryRequest, PrologRequest
from distd.lane.backend import Located
from distd.origin.agents import posts, requests
from distd.web.api.problems import status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.backend import FileRequest, Post, PostAnswer
    from distd.origin.agents.authentication import Proof
    from distd.server.agent_access import AgentAccess
    from distd.server.other_requests import OtherRequests
    from distd.server.post_queues import PostQueues
    from distd.server.progress import ProgressRecorder
    from distd.server.steering import Steering

# What each kind of request is called in its message, and in the log.
QUERIES: Final = {PrologRequest: "PROLOG", InventoryRequest: "INVENTORY", DownloadRequest: "DOWNLOAD"}


class OriginBackend:
    """The lane's `Backend`. All is called on the trio thread and returns at once. `access` tells who an agent is.

    `others` takes the connections that the lane does not serve; `observe_post(seconds)` hears how long
    an agent has waited for each reply.
    """

    def __init__(
        self,
        queues: PostQueues,
        steering: Steering,
        progress: ProgressRecorder,
        others: OtherRequests,
        access: AgentAccess,
        observe_post: Callable[[float], None],
        log: logging.Logger,
    ) -> None:
        self._queues = queues
        self._steering = steering
        self._observe_post = observe_post
        self._log = log
        self._access = access
        self.computer_of = access.computer_of
        self.fetched = progress.add
        self.refusal = others.refusal
        self.hand_over = others.hand_over

    def forget_tokens(self) -> None:
        """The keys of tokens have changed."""
        self._access.forget_tokens()

    def post(self, post: Post, answer: PostAnswer) -> None:
        """Take an agent's POST; `answer` is called once it is committed, or refused. Raises `Unavailable`."""
        begun_s = time.perf_counter()

        def done(outcome: posts.Reply | Exception) -> None:
            seconds = time.perf_counter() - begun_s
            self._observe_post(seconds)
            if isinstance(outcome, posts.Reply):
                if self._log.isEnabledFor(logging.DEBUG):
                    self._log_reply(post, outcome, seconds)
                answer(outcome.status, outcome.body, self._access.challenge() if outcome.status == 401 else b"")
            else:
                answer(self._log_failure(post, outcome), f"{outcome}\n".encode())

        def take(proof: Proof) -> None:
            self._queues.put(requests.Post(post.body, post.address, post.user_agent, time.time(), proof), done)

        self._access.prove(post, take, answer)

    def _log_reply(self, post: Post, reply: posts.Reply, seconds: float) -> None:
        kind = QUERIES[type(reply.request)]
        fields = {"computer": reply.request.device_id, "address": post.address, "agent": post.user_agent}
        self._log.debug(kind, extra={"fields": fields | {"ms": round(seconds * 1000, 1), "bytes": len(reply.body)}})

    def _log_failure(self, post: Post, error: Exception) -> int:
        """One line in the log; gives the status of the answer."""
        if isinstance(error, DistdError):
            status = status_of(error)
            level = logging.DEBUG if isinstance(error, Unreachable) else logging.WARNING  # an outage has its own line
            self._log.log(level, "%s: %d %s", post.address, status, error)
            return status
        self._log.error("%s: an error of this server in a POST", post.address, exc_info=error)
        return 500

    def may_be_redirected(self, package_id: str) -> bool:
        """Whether agents that ask for this package's fragments may be sent to mirrors, or get empty ones."""
        return package_id in self._steering.asked

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        """Where a file is: see `Steering.find`."""
        if not self.may_be_redirected(wanted.package_id):
            return Located(status=404)
        return self._steering.find(wanted, answer)
