"""Notices on their way: to an HTTP server and to a mail server on this machine."""

from __future__ import annotations

import json
import ssl
from email import message_from_string
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.conditions import NoticePhase
from distd.domain.errors import BadInput, Unavailable
from distd.domain.settings import load
from distd.origin.notices.notices import DueDelivery, Notice
from distd.origin.notices.senders import PASSWORD_VARIABLE, SECRET_VARIABLE, NoticeSender
from distd.storage import pki
from distd.storage.data_dir import DataDir
from distd.wire import webhook
from tests.programs.notice_receivers import hook_receiver, mail_receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distd.domain.notice_texts import NoticeMessage

SECRET = "correct horse battery staple"
NOTICE = Notice(7, "MIRROR_LOST", "paris", "paris", {}, 1_700_000_000.0, 1_700_000_300.0, None, [])
DUE = DueDelivery(1, NOTICE, "mail", NoticePhase.BEGAN, 1_700_000_300.0, 0)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """Only keys and certificates, of the host "localhost"."""
    data = DataDir(tmp_path)
    data.keys.mkdir()
    pki.create_keys(data.keys, data.ca_certificate, ["localhost"])
    return data


@pytest.fixture
def context(data: DataDir) -> ssl.SSLContext:
    """Of a server "localhost" that the data directory's CA vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(data.keys / pki.SERVER_CERTIFICATE, data.keys / pki.SERVER_KEY)
    return context


@pytest.fixture
def sender(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> Callable[..., NoticeSender]:
    """With these settings notices.*."""
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)

    def make(**values: Any) -> NoticeSender:
        settings = load({"notices": {"mail_to": "ada@example.org", "timeout_s": 5, **values}}, {}, {})
        return NoticeSender(data, settings, lambda: 1_700_000_301.5)

    return make


def message(sender: NoticeSender) -> NoticeMessage:
    return sender.message_of(DUE)


def test_a_webhook_is_signed(sender: Any) -> None:
    with hook_receiver() as receiver:
        one = sender(webhook_url=f"http://127.0.0.1:{receiver.port}/hooks?x=1")
        one.send("webhook", message(one))
    ((path, head, body),) = receiver.came
    assert path == "/hooks?x=1"
    assert json.loads(body)["data"]["title"] == "Redistribution server paris is offline"
    assert head["webhook-id"] == "distd-7-began-1700000000"
    key = webhook.read_key(SECRET, "")
    assert head["webhook-signature"] == webhook.sign(key, head["webhook-id"], 1_700_000_301, body)


def test_webhooks_by_https_trust_the_cas_that_are_set(sender: Any, data: DataDir, context: ssl.SSLContext) -> None:
    (data.root / "hook.secret").write_text(SECRET + "\n")
    with hook_receiver(context) as receiver:
        url = f"https://localhost:{receiver.port}/"
        trusting = sender(webhook_url=url, webhook_ca="cacert.pem", webhook_secret_file="hook.secret")
        trusting.send("webhook", message(trusting))
        assert len(receiver.came) == 1
        with pytest.raises(Unavailable, match="its certificate is not trusted"):
            sender(webhook_url=url).send("webhook", message(trusting))


def test_what_a_receiver_refuses(sender: Any) -> None:
    with hook_receiver() as receiver:
        one = sender(webhook_url=f"http://127.0.0.1:{receiver.port}/hooks/secret?key=1")
        for status in (302, 404, 500):
            receiver.statuses = [status]
            with pytest.raises(Unavailable, match=f"^http://127.0.0.1: answers {status}$"):
                one.send("webhook", message(one))
    with pytest.raises(Unavailable, match=r"^http://127.0.0.1: .*refused"):
        one.send("webhook", message(one))


def test_a_name_that_no_host_can_have(sender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sender()
    for name, url in (("webhook_url", "https://hooks..example/x"), ("mail_server", "mail..example:25")):
        object.__setattr__(one.notices, name, url)  # settings refuse it, but not every such name
    for channel in ("webhook", "mail"):
        with pytest.raises(Unavailable, match=r"\.\.example"):
            one.send(channel, message(one))


def test_an_ipv6_address_has_the_port_of_its_scheme(sender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def connect(address: tuple[str, int], *_: object) -> None:
        asked.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("socket.create_connection", connect)
    for url in ("http://[::1]/x", "https://[::1]/x", "https://[::1]:8443/x"):
        one = sender(webhook_url=url)
        with pytest.raises(Unavailable, match="refused"):
            one.send("webhook", message(one))
    assert asked == [("::1", 80), ("::1", 443), ("::1", 8443)]


def test_a_webhook_without_a_secret_is_not_sent(sender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sender(webhook_url="http://127.0.0.1:1/")
    monkeypatch.delenv(SECRET_VARIABLE)
    with pytest.raises(BadInput, match=SECRET_VARIABLE):
        one.send("webhook", message(one))
    with pytest.raises(Unavailable, match=r"notices\.webhook_secret_file"):
        sender(webhook_url="http://127.0.0.1:1/", webhook_secret_file="none").send("webhook", message(one))
    with pytest.raises(BadInput, match=r"notices\.webhook_ca"):
        one.tls("none", "notices.webhook_ca")


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail(sender: Any, security: str, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "passw0rd")
    of_server = None if security == "none" else context
    with mail_receiver(of_server, at_once=security == "tls") as receiver:
        receiver.wants_login = ("distd", "passw0rd") if security != "none" else None
        values = {"mail_user": "distd" if receiver.wants_login else "", "mail_ca": "cacert.pem", "language": "fr"}
        values |= {"mail_to": "ada@example.org bob@example.org", "mail_from": "distd@example.org"}
        one = sender(mail_server=f"localhost:{receiver.port}", mail_security=security, **values)
        one.send("mail", message(one))
    ((recipients, text),) = receiver.came
    assert (recipients, receiver.secure) == (["ada@example.org", "bob@example.org"], [security != "none"])
    mail = message_from_string(text, policy=default)
    assert mail["Subject"] == "[distd localhost] Le serveur de redistribution paris ne répond plus"
    assert (mail["From"], mail["X-Distd-Notice"]) == ("distd@example.org", "distd-7-began-1700000000")
    assert "distd mirror show paris" in mail.get_content()


def test_what_a_mail_server_refuses(sender: Any, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_receiver(context) as receiver:
        server = f"localhost:{receiver.port}"
        one = sender(mail_server=server)
        with pytest.raises(Unavailable, match="not trusted"):
            one.send("mail", message(one))
        receiver.wants_login = ("distd", "x")
        monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
        with pytest.raises(Unavailable, match="wrong name or password"):
            sender(mail_server=server, mail_ca="cacert.pem", mail_user="distd").send("mail", message(one))
        receiver.wants_login, receiver.refuse = None, "550 5.1.1 nobody of that name"
        with pytest.raises(Unavailable, match="nobody of that name"):
            sender(mail_server=server, mail_ca="cacert.pem").send("mail", message(one))
    with pytest.raises(Unavailable, match="refused"):
        one.send("mail", message(one))


def test_a_password_is_not_sent_for_all_to_read(sender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sender(mail_server="mail.example:25", mail_security="none", mail_user="distd")
    with pytest.raises(BadInput, match="where a password is sent"):
        one.send("mail", message(one))
    monkeypatch.setenv(PASSWORD_VARIABLE, "p\u00e4ss")
    with pytest.raises(BadInput, match="a password in ASCII"):
        sender(mail_server="mail.example:25", mail_user="distd").send("mail", message(one))


def test_a_test_is_a_message_too(sender: Any) -> None:
    with mail_receiver() as receiver:
        one = sender(mail_server=f"127.0.0.1:{receiver.port}", mail_security="none")
        one.send("mail", one.test_message())
    assert "distd can send notices from localhost" in receiver.came[0][1]
