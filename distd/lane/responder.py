"""What is answered to a request: a file of the download folder, or what the backend says.

Requests come in and answers go out as values; who sends them is none of its business. All is called on the reactor's
task and returns at once: an answer that takes time goes to the `reply` that came with the request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from distd.domain.errors import Unavailable
from distd.lane import answers
from distd.lane.backend import FileRequest, Post
from distd.wire import http
from distd.wire.http import HeadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.answers import Answer, Delivery
    from distd.lane.backend import Backend, Located
    from distd.lane.file_cache import FileCache, OpenFile
    from distd.lane.turn import Turn
    from distd.wire.http import Head

POST_PATH: Final = b"/ocsinventory"
DOWNLOAD: Final = b"/download/"
_PATH: Final = rb"/download/(?:~([0-9a-z]{1,11}-[0-9a-f]{20})/)?(([0-9]{1,20})/(?:info|manifest|\3-[1-9][0-9]{0,6}))"
_PACKAGE_PATH: Final = re.compile(_PATH)
FAST_PATH_REQUEST: Final = re.compile(rb"GET " + _PATH + rb" HTTP/1\.1\r\n")
RETRY_AFTER: Final = b"Retry-After: 10\r\n"
NOT_FOUND: Final = "no such package, info or fragment"


class Request(NamedTuple):
    """A whole request, and from whom it came. `path` is the one that the head's target names."""

    head: Head
    path: bytes
    body: bytes
    address: str
    scheme: str


def is_own(path: bytes) -> bool:
    """Whether requests for this path are the responder's; others are handed over to another server."""
    return path == POST_PATH or path.startswith(DOWNLOAD)


class Responder:
    """Answers the requests of a lane's connections. `fetched`, `refusal` and `hand_over` are the backend's."""

    __slots__ = ("_backend", "_computer_of", "_files", "_may_be_redirected", "_turn", "fetched", "hand_over", "refusal")

    def __init__(self, backend: Backend, files: FileCache, turn: Turn) -> None:
        self._backend = backend
        self._computer_of = backend.computer_of
        self._may_be_redirected = backend.may_be_redirected
        self._files = files
        self._turn = turn
        self.fetched = backend.fetched
        self.refusal = backend.refusal
        self.hand_over = backend.hand_over

    def match_fast_path(self, buffer: bytes, end: int) -> tuple[OpenFile, int] | None:
        """The file and the computer's id (0: no token) of the request that nearly all are: GET of a whole file, on a
        connection that stays.

        `end` is where its head ends in the buffer, -1 when it has not come. None: it is another one, or cannot be
        served. A shorter way to what `respond` comes to in general.
        """
        match = FAST_PATH_REQUEST.match(buffer)
        turn = self._turn
        if match is None or not match.end() <= end <= turn.limits.head_bytes or turn.stopping:
            return None
        try:
            fields = http.parse_fields(buffer[match.end() : end], 1)
            token, key, _ = match.groups()
            file = self._files.get(key, turn.now_s) if fields.plain else None
        except (HeadError, OSError):
            return None
        computer_id = 0 if token is None else self._computer_of(token.decode("ascii"))
        if file is None or computer_id is None or (computer_id and self._may_be_redirected(file.package_id)):
            return None
        return file, computer_id

    def respond(self, request: Request, reply: Callable[[Answer], None]) -> Answer | None:
        """The answer to a request whose path is its own; None: `reply` is called with it later, once."""
        head, path = request.head, request.path
        match = _PACKAGE_PATH.fullmatch(path)
        if match is not None:
            if head.method in (b"GET", b"HEAD"):
                return self._respond_file(request, match, reply)
            return answers.of_text(405, b"", b"Allow: GET, HEAD\r\n")
        if path != POST_PATH:
            return _not_found(head)
        if head.method != b"POST":
            return answers.of_text(405, b"", b"Allow: POST\r\n")
        return self._respond_post(request, reply)

    # --- POSTs of agents -----------------------------------------------------------------------------------------

    def _respond_post(self, request: Request, reply: Callable[[Answer], None]) -> Answer | None:
        def settle(status: int, content: bytes, fields: bytes = b"") -> None:
            self._turn.refresh()
            content_type = b"application/x-compressed" if status == 200 else answers.TEXT
            fields += RETRY_AFTER if status == 503 else b""
            reply(answers.of_text(status, content, fields, content_type))

        sent = request.head.fields
        user_agent, authorization = sent.user_agent.decode("latin-1"), sent.authorization.decode("latin-1")
        post = Post(request.body, request.address, user_agent, authorization)
        try:
            self._backend.post(post, settle)
        except Unavailable as error:
            return _unavailable(str(error))
        return None

    # --- files ---------------------------------------------------------------------------------------------------

    def _respond_file(self, request: Request, match: re.Match[bytes], reply: Callable[[Answer], None]) -> Answer | None:
        token, key, package_id = match.groups()
        computer_id = 0 if token is None else self._computer_of(token.decode("ascii"))
        if computer_id is None:
            return answers.of_text(403, b"unknown token\n", head_only=request.head.method == b"HEAD")
        try:
            file = self._files.get(key, self._turn.now_s)
        except OSError as error:
            return self._unreadable(request, key, error)
        if file is not None and not (computer_id and file.number and self._may_be_redirected(file.package_id)):
            return _send(request.head, computer_id, file)
        number = key.rpartition(b"-")[2]
        wanted = FileRequest(
            key.decode("ascii"),
            package_id.decode("ascii"),
            int(number) if number.isdigit() else 0,
            (token or b"").decode("ascii"),
            computer_id,
            request.address,
            request.scheme,
        )
        return self._ask_backend(request, wanted, reply)

    def _ask_backend(self, request: Request, wanted: FileRequest, reply: Callable[[Answer], None]) -> Answer | None:
        """The backend knows where the file is, at once or later."""

        def settle(located: Located) -> None:
            self._turn.refresh()
            try:
                answer = self._respond_located(request, wanted, located)
            except Exception:  # a fault of ours is none of the backend's
                self._turn.log.exception("internal error while serving a request")
                answer = answers.of_text(500, b"")
            reply(answer)

        located = self._backend.find(wanted, settle)
        return None if located is None else self._respond_located(request, wanted, located)

    def _respond_located(self, request: Request, wanted: FileRequest, located: Located) -> Answer:
        if located.location:
            fields = b"Location: %s\r\n" % located.location.encode()
            return answers.of_text(302, b"", fields)
        key, file = wanted.key.encode("ascii"), located.file
        try:
            if file is None and not located.status:
                file = self._files.get(key, self._turn.now_s)
        except OSError as error:
            return self._unreadable(request, key, error)
        if file is not None:
            return _send(request.head, wanted.computer_id, file)
        if located.status == 503:
            return _unavailable(located.why, head_only=request.head.method == b"HEAD")
        return _not_found(request.head, located.why)

    def _unreadable(self, request: Request, key: bytes, error: OSError) -> Answer:
        self._turn.log.error("%s: %s", key.decode("ascii"), error.strerror)
        return _unavailable("the file cannot be read now", head_only=request.head.method == b"HEAD")


def _send(head: Head, computer_id: int, file: OpenFile) -> Answer:
    """The file, or what of it the request's range and conditions ask for."""
    head_only = head.method == b"HEAD"
    # A proxy asks in the name of its client: when it has the file itself, the client gets it from there.
    stock_agent = head.fields.user_agent.startswith(b"OCS-NG") and not head.fields.via
    # Range is for GET only (RFC 9110, 14.2).
    fields = head.fields._replace(range=None) if head_only else head.fields
    selection = http.select(fields, file.size, file.etag, file.modified_s, stock_agent=stock_agent)
    delivery: Delivery | None = None
    if file.number and not head_only:
        if selection.status == 200 or (selection.spans and selection.spans[-1][1] == file.size):
            delivery = (computer_id, file.package_id, file.number, file.size)
        elif selection.status == 304 and fields.via and computer_id:
            delivery = (computer_id, file.package_id, file.number, 0)  # no byte of it from here
    cached = fields.if_none_match is not None or not fields.if_modified_since
    return answers.of_file(file, selection, delivery, head_only=head_only, cached=cached)


def _not_found(head: Head, why: str = "") -> Answer:
    return answers.of_text(404, f"{why or NOT_FOUND}\n".encode(), head_only=head.method == b"HEAD")


def _unavailable(why: str, *, head_only: bool = False) -> Answer:
    return answers.of_text(503, f"{why}\n".encode(), RETRY_AFTER, head_only=head_only)
