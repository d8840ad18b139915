"""Sends notices: by webhook, by mail. All of it blocks, for at most some times `notices.timeout_s`: it belongs in
threads."""

from __future__ import annotations

import http.client
import os
import smtplib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from distd.domain.addresses import is_loopback
from distd.domain.conditions import ConditionKind, NoticePhase
from distd.domain.errors import BadInput, Unavailable
from distd.domain.notice_texts import LANGUAGES, NoticeMessage, describe
from distd.storage.secret_files import read_secret
from distd.wire import webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distd.domain.notice_settings import NoticeSettings
    from distd.domain.settings import Settings
    from distd.origin.notices.notices import DueDelivery
    from distd.storage.data_dir import DataDir

MAX_ANSWER_BYTES: Final = 65_536
SECRET_VARIABLE: Final = "DISTD_WEBHOOK_SECRET"
PASSWORD_VARIABLE: Final = "DISTD_MAIL_PASSWORD"


@dataclass(frozen=True, slots=True)
class NoticeSender:
    """Where notices are sent from: files of `settings` without a folder are in the data directory. `clock()` gives Unix
    time."""

    data: DataDir
    settings: Settings
    clock: Callable[[], float]

    def send(self, channel: str, message: NoticeMessage) -> None:
        """Send it. Raises `BadInput` for what is not set, `Unavailable`."""
        _CHANNELS[channel](self, message)

    @property
    def notices(self) -> NoticeSettings:
        """Their settings."""
        return self.settings.notices

    def message_of(self, due: DueDelivery) -> NoticeMessage:
        """What is sent of a notice."""
        notice = due.notice
        kind, language = ConditionKind(notice.kind), self.notices.language
        of_it = (notice.subject, notice.name, due.phase, notice.since_s, notice.facts)
        title, text = describe(kind, *of_it, language)
        return NoticeMessage(
            id=f"distd-{notice.id}-{due.phase.lower()}-{int(notice.since_s)}",
            phase=due.phase,
            kind=kind,
            subject=notice.subject,
            name=notice.name,
            server=self.settings.server.host,
            since_s=notice.since_s,
            at_s=due.at_s,
            facts=notice.facts,
            title=title,
            text=text,
        )

    def test_message(self) -> NoticeMessage:
        """What `distd notice test` sends."""
        host, now_s = self.settings.server.host, self.clock()
        title = LANGUAGES[self.notices.language].test.format(name=host)
        at = (now_s, now_s)
        return NoticeMessage(
            f"distd-test-{int(now_s * 1000)}", NoticePhase.TEST, "", "", host, host, *at, {}, title, ""
        )

    def secret(self, path: str, variable: str, setting: str) -> str:
        """What stands in the file of a setting, or in the variable; "": neither is set. Raises `Unavailable`."""
        if not path:
            return os.environ.get(variable, "")
        return read_secret(str(self.data.root / path), setting)

    def tls(self, ca: str, setting: str) -> ssl.SSLContext:
        """That trusts these CAs. Raises `BadInput`."""
        path = str(self.data.root / ca) if ca else None
        try:
            return ssl.create_default_context(cafile=path)
        except OSError as error:
            raise BadInput(setting, "a file of certificates", f"{path}: {error.strerror or error}") from None


def _post(sender: NoticeSender, message: NoticeMessage) -> None:
    settings = sender.notices
    field = "notices.webhook_secret_file"
    secret = sender.secret(settings.webhook_secret_file, SECRET_VARIABLE, field)
    if not secret:
        raise BadInput(field, f"a secret, there or in {SECRET_VARIABLE}", "nothing")
    url, body = urlsplit(settings.webhook_url), webhook.write_body(message)
    head = webhook.head_fields(webhook.read_key(secret, field), message.id, int(sender.clock()), body)
    connection: http.client.HTTPConnection
    host, timeout_s = url.hostname or "", settings.timeout_s  # without a port the end of an IPv6 address would be it
    if url.scheme == "https":
        context = sender.tls(settings.webhook_ca, "notices.webhook_ca")
        connection = http.client.HTTPSConnection(host, url.port or 443, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(host, url.port or 80, timeout=timeout_s)
    shown = f"{url.scheme}://{host}"  # the rest may be a key, which viewers are not to see
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection.request("POST", target, body, {**head, "User-Agent": "distd", "Connection": "close"})
        answer = connection.getresponse()
        answer.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: also names that no host can have
        raise Unavailable(shown, _reason(error)) from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise Unavailable(shown, f"answers {answer.status}")


def _mail(sender: NoticeSender, message: NoticeMessage) -> None:
    settings = sender.notices
    host, _, port = settings.mail_server.rpartition(":")
    host = host.strip("[]")
    if settings.mail_user and settings.mail_security == "none" and not is_loopback(host):
        raise BadInput("notices.mail_security", "starttls or tls, where a password is sent", "none")
    password = sender.secret(settings.mail_password_file, PASSWORD_VARIABLE, "notices.mail_password_file")
    if not (settings.mail_user + password).isascii():
        raise BadInput("notices.mail_password_file", "a name and a password in ASCII", "others")
    context = sender.tls(settings.mail_ca, "notices.mail_ca")
    try:
        if settings.mail_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, int(port), timeout=settings.timeout_s, context=context)
        else:
            server = smtplib.SMTP(host, int(port), timeout=settings.timeout_s)
        with server:
            if settings.mail_security == "starttls":
                server.starttls(context=context)
            if settings.mail_user:
                server.login(settings.mail_user, password)
            refused = server.send_message(_mail_of(sender, message))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Unavailable(settings.mail_server, _reason(error)) from error
    if refused:
        raise Unavailable(settings.mail_server, f"refuses {', '.join(refused)}")


def _mail_of(sender: NoticeSender, message: NoticeMessage) -> EmailMessage:
    settings, mail = sender.notices, EmailMessage()
    sent_by = settings.mail_from or settings.mail_to.split()[0]
    mail["From"] = sent_by
    mail["To"] = ", ".join(settings.mail_to.split())
    mail["Subject"] = f"[distd {message.server}] {' '.join(message.title.split())}"[:200]
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at_s, UTC))
    mail["Message-ID"] = make_msgid(message.id, sent_by.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Distd-Notice"] = message.id
    mail.set_content(f"{message.title}.\n\n{message.text}\n")
    return mail


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"{error.smtp_code} {text}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


_CHANNELS: Final[Mapping[str, Callable[[NoticeSender, NoticeMessage], None]]] = {"webhook": _post, "mail": _mail}
