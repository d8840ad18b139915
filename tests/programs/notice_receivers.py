"""Servers on this machine that take notices: webhooks by HTTP and HTTPS, mails by SMTP with STARTTLS and AUTH."""

from __future__ import annotations

import base64
import http.server
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@dataclass
class HookReceiver:
    """Answers each POST with the next of `statuses`, the last one again and again."""

    statuses: list[int] = field(default_factory=lambda: [204])
    came: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)  # path, head by lower-case name, body
    port: int = 0


@dataclass
class MailReceiver:
    """`refuse`: the answer to each RCPT; "": it is taken. `wants_login`: (name, password)."""

    refuse: str = ""
    wants_login: tuple[str, str] | None = None
    came: list[tuple[list[str], str]] = field(default_factory=list)  # recipients, the mail
    secure: list[bool] = field(default_factory=list)  # whether it came by TLS
    port: int = 0


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that trusts nobody just leaves."""


@contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler], context: ssl.SSLContext | None) -> Iterator[int]:
    with _Threads(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def hook_receiver(context: ssl.SSLContext | None = None) -> Iterator[HookReceiver]:
    """For as long as the block lasts; with `context` by HTTPS."""
    receiver = HookReceiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            head = {name.lower(): value for name, value in self.headers.items()}
            receiver.came.append((self.path, head, self.rfile.read(int(head["content-length"]))))
            self.send_response(receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0])
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Nothing."""

    with _serving(Handler, context) as receiver.port:
        yield receiver


@contextmanager
def mail_receiver(context: ssl.SSLContext | None = None, *, at_once: bool = False) -> Iterator[MailReceiver]:
    """For as long as the block lasts; with `context` it offers STARTTLS, or speaks TLS `at_once`."""
    receiver = MailReceiver()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.is_secure, self.recipients, self.is_known = at_once, list[str](), receiver.wants_login is None
            self.say("220 mail.example")
            while line := self.rfile.readline(2000):
                command, _, rest = line.decode().strip().partition(" ")
                if command.upper() == "QUIT":
                    self.say("221 bye")
                    return
                self.answer(command.upper(), rest)

        def finish(self) -> None:
            super().finish()
            self.connection.close()  # the one above TCP, where TLS has begun

        def say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

        def answer(self, command: str, rest: str) -> None:
            if command == "EHLO":
                offers = ["STARTTLS"] if context is not None and not self.is_secure else []
                offers += ["AUTH PLAIN"] if receiver.wants_login else []
                lines = ["mail.example", *offers]
                for line in lines[:-1]:
                    self.say(f"250-{line}")
                self.say(f"250 {lines[-1]}")
            elif command == "STARTTLS" and context is not None:
                self.say("220 go on")
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                self.is_secure = True
            elif command == "AUTH":
                _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                self.is_known = (name, password) == receiver.wants_login
                self.say("235 welcome" if self.is_known else "535 5.7.8 wrong name or password")
            elif command == "MAIL" and not self.is_known:
                self.say("530 5.7.0 sign in first")
            elif command == "RCPT":
                self.recipients.append(rest.partition("<")[2].partition(">")[0])
                self.say(receiver.refuse or "250 good")
            elif command == "DATA":
                self.say("354 go on")
                lines_of_it = []
                while (line_of_it := self.rfile.readline(2000)) != b".\r\n":
                    lines_of_it.append(line_of_it)
                receiver.came.append((self.recipients, b"".join(lines_of_it).decode()))
                receiver.secure.append(self.is_secure)
                self.say("250 good")
            else:
                self.say("250 good")

    with _serving(Handler, context if at_once else None) as receiver.port:
        yield receiver
