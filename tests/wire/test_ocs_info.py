"""`info`: what stock agents read, what we read of real servers, and that nothing is lost on the way."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput, TooLarge
from distd.domain.records import Action, Info, Notify
from distd.wire.ocs_info import MAX_INFO_BYTES, encoded, is_digest, parse, render

STORE = Info("1700000001", 5, Action.STORE, "/opt/x", 3, "d41d8cd98f00b204e9800998ecf8427e")

# As a real server writes it: the target of every action, and "rien".
REAL = (
    b'<DOWNLOAD ID="1700000001" PRI="5" ACT="LAUNCH" DIGEST="0cc175b9c0f1b6a831c399e269772661" PROTO="HTTP" FRAGS="1" '
    b'DIGEST_ALGO="MD5" DIGEST_ENCODE="Hexa" PATH="" NAME="setup.exe /S" COMMAND="" NOTIFY_USER="0" NOTIFY_TEXT="" '
    b'NOTIFY_COUNTDOWN="" NOTIFY_CAN_ABORT="0" NOTIFY_CAN_DELAY="0" NEED_DONE_ACTION="0" NEED_DONE_ACTION_TEXT="" '
    b'GARDEFOU="rien" />\n'
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
MULTILINE = st.text(st.sampled_from("\t\n\r\"'<>&;%# a€𝄞"))
INFOS = st.builds(
    Info,
    id=st.integers(0, 10**12).map(str),
    priority=st.integers(0, 10),
    action=st.sampled_from(Action),
    target=TEXTS | MULTILINE,
    fragments=st.integers(0, 1_000_000),
    digest=st.text("0123456789abcdef", min_size=32, max_size=64),
    digest_algo=st.sampled_from(["MD5", "SHA1", "SHA256"]),
    digest_encode=st.sampled_from(["Hexa", "Base64"]),
    proto=st.sampled_from(["HTTP", "HTTPS"]),
    notify=st.builds(Notify, st.booleans(), TEXTS | MULTILINE, st.integers(0, 86_400), *[st.booleans()] * 3, MULTILINE),
)


@given(INFOS)
def test_nothing_is_lost(info: Any) -> None:
    assert parse(render(info)) == info


@given(INFOS)
def test_another_parser_reads_the_same(info: Any) -> None:
    element = ElementTree.fromstring(render(info))
    name = {Action.STORE: "PATH", Action.LAUNCH: "NAME", Action.EXECUTE: "COMMAND"}[info.action]
    assert (element.tag, element.get(name), element.text) == ("DOWNLOAD", info.target, None)
    assert element.get("NOTIFY_TEXT") == info.notify.text


def test_the_attributes_are_those_of_the_real_server() -> None:
    names = set(ElementTree.fromstring(REAL).keys())
    for action, others in [
        (Action.STORE, {"NAME", "COMMAND"}),
        (Action.LAUNCH, {"PATH", "COMMAND"}),
        (Action.EXECUTE, {"PATH", "NAME"}),
    ]:
        element = ElementTree.fromstring(render(replace(STORE, action=action)))
        assert set(element.keys()) == names - others
        assert element.get("GARDEFOU") == "rien"


def test_the_bytes_of_an_info() -> None:
    notify = Notify(user=True, text='Say "hi"\n& go', countdown_s=60, can_delay=True)
    assert render(replace(STORE, notify=notify)) == (
        b'<DOWNLOAD ID="1700000001" PRI="5" ACT="STORE" DIGEST="d41d8cd98f00b204e9800998ecf8427e" PROTO="HTTP"'
        b' FRAGS="3" DIGEST_ALGO="MD5" DIGEST_ENCODE="Hexa" PATH="/opt/x" NOTIFY_USER="1"'
        b' NOTIFY_TEXT="Say &quot;hi&quot;&#10;&amp; go" NOTIFY_COUNTDOWN="60" NOTIFY_CAN_ABORT="0"'
        b' NOTIFY_CAN_DELAY="1" NEED_DONE_ACTION="0" NEED_DONE_ACTION_TEXT="" GARDEFOU="rien" />\n'
    )


def test_a_real_servers_info() -> None:
    info = parse(REAL)
    assert info == Info("1700000001", 5, Action.LAUNCH, "setup.exe /S", 1, "0cc175b9c0f1b6a831c399e269772661")


def test_our_own_differs_from_it_only_in_the_targets_of_other_actions() -> None:
    assert render(parse(REAL)) == REAL.replace(b'PATH="" ', b"").replace(b' COMMAND=""', b"")


def test_missing_and_unknown_attributes_are_no_matter() -> None:
    info = parse(b"<?xml version='1.0'?><DOWNLOAD NEW='1' ID='7' PRI='99' ACT='EXECUTE' COMMAND='true' FRAGS='0'/>")
    assert info == Info("7", 99, Action.EXECUTE, "true", 0)


@pytest.mark.parametrize("text", ["a\0b", "\x1b[0m", "\x7f\x0b", "\ud800", "\ufffe", "\uffff"], ids=ascii)
@pytest.mark.parametrize("where", ["target", "notify"])
def test_what_xml_cannot_carry(where: Any, text: Any) -> None:
    info = replace(STORE, target=text) if where == "target" else replace(STORE, notify=Notify(text=text))
    with pytest.raises(BadInput) as caught:
        render(info)
    assert caught.value.field == {"target": "DOWNLOAD/PATH", "notify": "DOWNLOAD/NOTIFY_TEXT"}[where]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'ID="1700000001"', b'ID="17x"', "info/ID"),
        (b'ID="1700000001"', b'ID="../17"', "info/ID"),
        (b'ID="1700000001"', b"", "info/ID"),
        (b'PRI="5"', b'PRI="-1"', "info/PRI"),
        (b'PRI="5"', b'PRI=""', "info/PRI"),
        (b'PRI="5"', 'PRI="٣"'.encode(), "info/PRI"),
        (b'ACT="LAUNCH"', b'ACT="launch"', "info/ACT"),
        (b'ACT="LAUNCH"', b"", "info/ACT"),
        (b'FRAGS="1"', b'FRAGS="many"', "info/FRAGS"),
        (b'FRAGS="1"', b"", "info/FRAGS"),
        (b'DIGEST="0cc175b9c0f1b6a831c399e269772661"', b"", "info/DIGEST"),
        (b'NOTIFY_COUNTDOWN=""', b'NOTIFY_COUNTDOWN="soon"', "info/NOTIFY_COUNTDOWN"),
        (b"<DOWNLOAD", b"<UPLOAD", "info"),
        (b"/>", b"><DOWNLOAD/></DOWNLOAD>", "info"),
        (b"/>", b"", "info"),
        (b"/>", b"/><DOWNLOAD/>", "info"),
        (b'PRI="5"', b'PRI="5" PRI="5"', "info"),
        (b"<DOWNLOAD", b"<!DOCTYPE DOWNLOAD><DOWNLOAD", "info"),
        (b'NAME="setup', b'NAME="&x;setup', "info"),
    ],
)
def test_bad_infos(old: Any, new: Any, field: Any) -> None:
    assert REAL.count(old) == 1
    with pytest.raises(BadInput) as caught:
        parse(REAL.replace(old, new))
    assert caught.value.field == field


@pytest.mark.parametrize("data", [b"", b"\0", b"404 Not Found", b"<html><body>Not Found</body></html>", b"\xff\xfe"])
def test_no_infos(data: Any) -> None:
    with pytest.raises(BadInput) as caught:
        parse(data)
    assert caught.value.field == "info"


def test_an_info_over_the_limit() -> None:
    padding = b" " * (MAX_INFO_BYTES - len(REAL))
    assert parse(REAL + padding) == parse(REAL)
    with pytest.raises(TooLarge):
        parse(REAL + padding + b" ")


@given(st.binary(max_size=200) | st.integers(0, len(REAL)).map(lambda end: REAL[:end] + b"<&"))
def test_no_bytes_raise_anything_else(data: Any) -> None:
    with pytest.raises(BadInput):
        parse(data)


DIGEST = bytes(range(16))


@pytest.mark.parametrize(
    ("encode", "text"),
    [
        ("Hexa", "000102030405060708090a0b0c0d0e0f"),
        ("Hexa", "000102030405060708090A0B0C0D0E0F"),
        ("Base64", "AAECAwQFBgcICQoLDA0ODw=="),
        ("base64", "AAECAwQFBgcICQoLDA0ODw"),
    ],
)
def test_digests_in_each_form_that_servers_write(encode: Any, text: Any) -> None:
    info = Info("17", 5, Action.STORE, "/x", 1, text, digest_encode=encode)
    assert is_digest(info, DIGEST)
    assert not is_digest(info, DIGEST[::-1])
    assert encoded(DIGEST, encode).rstrip("=").lower() == text.rstrip("=").lower()
