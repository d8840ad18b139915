"""What a request gets: a file of the download folder, the answer to an agent's POST, or another server.

Called by connections on the lane's one task; everything here returns at once.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from distd.domain.errors import Unavailable
from distd.lane import file_response
from distd.lane.backend import Post, Wanted
from distd.lane.connection import State
from distd.lane.streams import PlainStream, TlsStream
from distd.lane.tls import TlsConnection
from distd.wire import http
from distd.wire.http import HeadError

if TYPE_CHECKING:
    import logging

    from distd.lane.backend import Found, Site
    from distd.lane.connection import Connection
    from distd.lane.counters import Counts
    from distd.lane.file_cache import FileCache, OpenFile
    from distd.lane.server import Lane
    from distd.wire.http import Head

POST_PATH: Final = b"/ocsinventory"
_PATH: Final = rb"/download/(?:~([0-9a-z]{1,11}-[0-9a-f]{20})/)?(([0-9]{1,20})/(?:info|manifest|\3-[1-9][0-9]{0,6}))"
_PACKAGE_PATH: Final = re.compile(_PATH)
_COMMON: Final = re.compile(rb"GET " + _PATH + rb" HTTP/1\.1\r\n")


class Service:
    """Serves the requests of a lane's connections."""

    def __init__(self, lane: Lane, site: Site, files: FileCache, log: logging.Logger) -> None:
        self.lane = lane
        self.site = site
        self.files = files
        self.log = log
        self.counts: Counts = lane.counts
        self._second = 0
        self._ok_lines = b""

    def tell_time(self) -> None:
        """Date is in seconds."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._ok_lines = http.status_lines(200, second)

    def dispatch(self, connection: Connection, head: Head, raw: bytes) -> None:
        """A head has come in: serve it, wait for its body, or hand the connection over. Raises `HeadError`."""
        connection.old = head.minor == 0
        connection.head_only = head.method == b"HEAD"
        path = http.path_of(head.target)
        if path != POST_PATH and not path.startswith(b"/download/"):
            self._hand_over(connection, raw, path)
        elif head.fields.transfer_encoding:
            # Agents send lengths. A chunked body would have to be parsed only to be thrown away.
            raise HeadError(411, "a Content-Length is required")
        elif head.fields.content_length:
            connection.collect_body(head, head.fields.content_length)
        else:
            self.serve(connection, head, b"")

    def serve_common(self, connection: Connection, end: int) -> bool:
        """Serve the request that nearly all are: GET of a whole file, on a connection that stays.

        `end` is where its head ends, -1 when it has not come. False: it is another one, or cannot be served, and
        nothing was done. A shorter way to what `dispatch` and `serve` come to in general.
        """
        match = _COMMON.match(connection.buffer)
        if match is None or not match.end() <= end <= self.lane.limits.head_bytes or self.lane.stopping:
            return False
        buffer = connection.buffer
        try:
            fields = http.parse_fields(buffer[match.end() : end], 1)
            token, key, _ = match.groups()
            file = self.files.get(key, self.lane.now_s) if fields.plain else None
        except (HeadError, OSError):
            return False
        computer_id = 0 if token is None else self.site.computer_of(token.decode("ascii"))
        if file is None or computer_id is None or (computer_id and self.site.answered_elsewhere(file.package_id)):
            return False
        self.counts.statuses[200] += 1
        connection.buffer = buffer[end + 4 :]
        connection.keep_alive = True
        connection.old = connection.head_only = False
        connection.out += self._ok_lines + file.fields
        if not file.in_memory:
            connection.file = file
            connection.offset = 0
            connection.left = file.size
        if file.number:
            connection.on_sent = (computer_id, file.package_id, file.number, file.size)
        connection.write()
        return True

    def serve(self, connection: Connection, head: Head, body: bytes) -> None:
        """A whole request of the lane's own is here."""
        path = http.path_of(head.target)
        match = _PACKAGE_PATH.fullmatch(path)
        if match is not None:
            if head.method in (b"GET", b"HEAD"):
                self._serve_file(connection, head, match)
            else:
                self.answer(connection, 405, b"", b"Allow: GET, HEAD\r\n")
        elif path != POST_PATH:
            self.answer(connection, 404, b"no such package, info or fragment\n")
        elif head.method != b"POST":
            self.answer(connection, 405, b"", b"Allow: POST\r\n")
        else:
            self._serve_post(connection, head, body)

    def _serve_post(self, connection: Connection, head: Head, body: bytes) -> None:
        connection.state = State.WAITING

        def answer(status: int, content: bytes) -> None:
            if connection.state is State.WAITING:
                self.lane.tell_time()
                self._deliver(connection, status, content)

        post = Post(body, connection.address, head.fields.user_agent.decode("latin-1"))
        try:
            self.site.post(post, answer)
        except Unavailable as error:
            self.answer(connection, 503, f"{error}\n".encode(), b"Retry-After: 10\r\n")

    def _deliver(self, connection: Connection, status: int, content: bytes) -> None:
        ok = status == 200
        kind = b"application/x-compressed" if ok else b"text/plain; charset=utf-8"
        try:
            self.answer(connection, status, content, b"Cache-Control: no-cache\r\n", kind)
            if connection.buffer and connection.state is State.IDLE:
                connection.advance()
        except OSError:
            connection.close()

    def _hand_over(self, connection: Connection, raw: bytes, path: bytes) -> None:
        stream: PlainStream | TlsStream
        replay = raw + connection.buffer
        idle_timeout_s = self.lane.limits.idle_timeout_s
        self.counts.handed_over += 1
        self.lane.forget(connection)
        if isinstance(connection, TlsConnection):
            stream = TlsStream(connection, replay, idle_timeout_s)
        else:
            stream = PlainStream(connection.sock, replay, idle_timeout_s)
        self.site.hand_over(stream, path)

    # --- answers -------------------------------------------------------------------------------------------------

    def _serve_file(self, connection: Connection, head: Head, match: re.Match[bytes]) -> None:
        token, key, _ = match.groups()
        computer_id = 0
        if token is not None:
            found = self.site.computer_of(token.decode("ascii"))
            if found is None:
                self.answer(connection, 403, b"this path was given to nobody\n")
                return
            computer_id = found
        try:
            file = self.files.get(key, self.lane.now_s)
        except OSError as error:
            self.log.error("%s: %s", key.decode("ascii"), error.strerror)
            self.answer(connection, 503, b"the file cannot be read now\n", b"Retry-After: 10\r\n")
            return
        if file is None or (computer_id and file.number and self.site.answered_elsewhere(file.package_id)):
            self._find(connection, head, match, computer_id)
        else:
            self._serve_open(connection, head, computer_id, file)

    def _find(self, connection: Connection, head: Head, match: re.Match[bytes], computer_id: int) -> None:
        """Those above know where it is, at once or later."""
        token, key, package_id = match.groups()
        number = key.rpartition(b"-")[2]
        wanted = Wanted(
            key.decode("ascii"),
            package_id.decode("ascii"),
            int(number) if number.isdigit() else 0,
            (token or b"").decode("ascii"),
            computer_id,
            connection.address,
            connection.scheme,
        )

        def answer(found: Found) -> None:
            if connection.state is not State.WAITING:
                return
            connection.state = State.IDLE
            self.lane.tell_time()
            try:
                self._serve_found(connection, head, wanted, found)
                if connection.buffer and connection.state is State.IDLE:
                    connection.advance()
            except OSError:
                connection.close()
            except Exception:
                self.log.exception("a fault in the lane; the connection is closed")
                connection.close()

        found = self.site.find(wanted, answer)
        if found is None:
            connection.state = State.WAITING
        else:
            self._serve_found(connection, head, wanted, found)

    def _serve_found(self, connection: Connection, head: Head, wanted: Wanted, found: Found) -> None:
        if found.location:
            self.answer(connection, 302, b"", b"Location: %s\r\nCache-Control: no-store\r\n" % found.location.encode())
            return
        file = found.file or (None if found.status else self.files.get(wanted.key.encode("ascii"), self.lane.now_s))
        if file is not None:
            self._serve_open(connection, head, wanted.computer_id, file)
        elif found.status == 503:
            self.answer(connection, 503, f"{found.why}\n".encode(), b"Retry-After: 10\r\n")
        else:
            self.answer(connection, 404, f"{found.why or 'no such package, info or fragment'}\n".encode())

    def _serve_open(self, connection: Connection, head: Head, computer_id: int, file: OpenFile) -> None:
        stock_agent = head.fields.user_agent.startswith(b"OCS-NG")
        # Range is for GET only (RFC 9110, 14.2).
        fields = head.fields._replace(range=None) if connection.head_only else head.fields
        selection = http.select(fields, file.size, file.etag, file.modified_s, stock_agent=stock_agent)
        to_the_end = selection.status == 200 or (selection.spans and selection.spans[-1][1] == file.size)
        if file.number and to_the_end and not connection.head_only:
            connection.on_sent = (computer_id, file.package_id, file.number, file.size)
        self._send_file(connection, file, selection)

    def _send_file(self, connection: Connection, file: OpenFile, selection: http.Selection) -> None:
        lines, parts = file_response.of_file(file, selection, head_only=connection.head_only)
        connection.out += self._status_lines(connection, selection.status) + lines
        connection.file, connection.parts = file, parts
        connection.next_part()  # so that the head is held back (MSG_MORE) for the file's first bytes
        connection.write()

    def answer(
        self,
        connection: Connection,
        status: int,
        content: bytes,
        fields: bytes = b"",
        kind: bytes = b"text/plain; charset=utf-8",
    ) -> None:
        """Send a short answer from memory."""
        lines = self._status_lines(connection, status) + fields
        if content:
            lines += b"Content-Type: %s\r\n" % kind
        shown = b"" if connection.head_only else content
        connection.out += b"%sContent-Length: %d\r\n\r\n%s" % (lines, len(content), shown)
        connection.write()

    def _status_lines(self, connection: Connection, status: int) -> bytes:
        self.counts.statuses[status] += 1
        lines = self._ok_lines if status == 200 else http.status_lines(status, self._second)
        if self.lane.stopping or not connection.keep_alive:
            return lines + b"Connection: close\r\n"
        return lines + b"Connection: keep-alive\r\n" if connection.old else lines
