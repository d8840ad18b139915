"""The wire codec's replies: as the real server writes them, and as its agents read them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput, TooLarge
from distd.domain.records import Pack, PrologReply
from distd.domain.settings import DownloadConfig
from distd.wire import ocs

DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>\n"


def xml_of(body: Any) -> Any:
    return ElementTree.fromstring(zlib.decompress(body))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), max_size=50)
PACK = Pack("1700000011", "host:8443/download", "host:8080/download/~1-ab")
REPLIES = st.builds(
    PrologReply,
    send_inventory=st.booleans(),
    prolog_freq_h=st.integers(1, 8760),
    config=st.builds(DownloadConfig, st.booleans(), *[st.integers(0, 86_400)] * 6),
    packs=st.lists(
        st.builds(Pack, st.integers(0, 10**12).map(str), TEXTS, TEXTS, st.booleans(), TEXTS, TEXTS), max_size=4
    ).map(tuple),
    inventory_on_startup=st.booleans(),
)


@given(REPLIES)
def test_replies_survive_the_wire(reply: Any) -> None:
    assert ocs.read_prolog_reply(ocs.write_prolog_reply(reply)) == reply


def test_the_prolog_reply_has_the_real_servers_layout() -> None:
    element = xml_of(ocs.write_prolog_reply(PrologReply(True, 24, DownloadConfig(), (PACK,))))
    assert element.tag == "REPLY"
    assert [child.tag for child in element] == ["RESPONSE", "PROLOG_FREQ", "INVENTORY_ON_STARTUP", "OPTION"]
    assert [child.text for child in element][:3] == ["SEND", "24", "1"]
    name, conf, pack = element[3]
    assert (name.tag, name.text, conf.tag, pack.tag) == ("NAME", "DOWNLOAD", "PARAM", "PARAM")
    assert conf.attrib == {
        "TYPE": "CONF",
        "ON": "1",
        "CYCLE_LATENCY": "15",
        "FRAG_LATENCY": "15",
        "PERIOD_LATENCY": "15",
        "PERIOD_LENGTH": "10",
        "TIMEOUT": "30",
        "EXECUTION_TIMEOUT": "120",
    }
    assert pack.attrib == {
        "TYPE": "PACK",
        "ID": "1700000011",
        "INFO_LOC": "host:8443/download",
        "PACK_LOC": "host:8080/download/~1-ab",
        "CERT_PATH": "INSTALL_PATH",
        "CERT_FILE": "INSTALL_PATH/cacert.pem",
        "SCHEDULE": "",
        "POSTCMD": "",
        "FORCE": "0",
    }


@pytest.mark.parametrize(
    ("reply", "path", "values"),
    [
        (PrologReply(False, 1, DownloadConfig()), "RESPONSE", "STOP"),
        (PrologReply(True, 48, DownloadConfig(on=False)), "PROLOG_FREQ", "48"),
        (PrologReply(True, 1, DownloadConfig(on=False)), "OPTION/PARAM[@ON]", "0"),
        (PrologReply(True, 1, DownloadConfig(), (Pack("1", "i", "p", force=True),)), "OPTION/PARAM[@FORCE]", "1"),
        (PrologReply(True, 1, DownloadConfig(), inventory_on_startup=False), "INVENTORY_ON_STARTUP", "0"),
    ],
)
def test_what_a_prolog_reply_says(reply: Any, path: Any, values: Any) -> None:
    element = xml_of(ocs.write_prolog_reply(reply)).find(path)
    assert (element.text or element.get("ON") or element.get("FORCE")) == values


def test_the_same_reply_has_the_same_bytes() -> None:
    reply = PrologReply(True, 24, DownloadConfig(), (PACK,))
    assert ocs.write_prolog_reply(reply) == ocs.write_prolog_reply(reply)


REAL_REPLY = f"""{DECLARATION}<REPLY>
  <OPTION>
    <NAME>REGISTRY</NAME>
    <PARAM NAME="x" REGKEY="1">*</PARAM>
  </OPTION>
  <OPTION>
    <NAME>DOWNLOAD</NAME>
    <PARAM FRAG_LATENCY="10" PERIOD_LATENCY="1" TIMEOUT="30" ON="1" TYPE="CONF" CYCLE_LATENCY="60" PERIOD_LENGTH="10" />
    <PARAM TYPE="PACK" ID="17" INFO_LOC="h/download" PACK_LOC="h/download" CERT_PATH="INSTALL_PATH"
           CERT_FILE="INSTALL_PATH/cacert.pem" SCHEDULE="2026/11/23 20:00" POSTCMD="shutdown" FORCE="1" />
  </OPTION>
  <RESPONSE>SEND</RESPONSE>
  <PROLOG_FREQ>24</PROLOG_FREQ>
</REPLY>"""


def reply_of(text: Any) -> Any:
    return ocs.read_prolog_reply(zlib.compress(text.encode()))


def test_a_real_servers_reply() -> None:
    pack = Pack("17", "h/download", "h/download", force=True, schedule="2026/11/23 20:00", postcmd="shutdown")
    assert reply_of(REAL_REPLY) == PrologReply(True, 24, DownloadConfig(True, 10, 60, 1, 10, 30, 120), (pack,))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        pytest.param(
            "<REPLY><RESPONSE>STOP</RESPONSE></REPLY>",
            PrologReply(False, 24, DownloadConfig(True, 10, 10, 0, 10, 30, 120)),
            id="nothing but STOP",
        ),
        pytest.param(
            "<REPLY><RESPONSE>SEND</RESPONSE><PROLOG_FREQ>1</PROLOG_FREQ><OPTION><NAME>DOWNLOAD</NAME>"
            "<PARAM TYPE='CONF' ON='0' FRAG_LATENCY='3' TIMEOUT=''/></OPTION></REPLY>",
            PrologReply(True, 1, DownloadConfig(False, 3, 10, 0, 10, 30, 120)),
            id="half a CONF",
        ),
    ],
)
def test_missing_values_are_the_agents_own(text: Any, reply: Any) -> None:
    assert reply_of(text) == reply


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("SEND", "PERHAPS", "REPLY/RESPONSE"),
        ("<RESPONSE>SEND</RESPONSE>", "", "REPLY/RESPONSE"),
        ("<PROLOG_FREQ>24", "<PROLOG_FREQ>daily", "REPLY/PROLOG_FREQ"),
        ('FRAG_LATENCY="10"', 'FRAG_LATENCY="-1"', "CONF/FRAG_LATENCY"),
        ('TIMEOUT="30"', 'TIMEOUT="9999999999"', "CONF/TIMEOUT"),
        ('ID="17"', 'ID="../17"', "PACK/ID"),
        ('ID="17"', "", "PACK/ID"),
        ("<REPLY>", "<!DOCTYPE a><REPLY>", "reply"),
        ("<REPLY>", "<REPLAY>", "reply"),
        ("</REPLY>", "", "reply"),
    ],
)
def test_bad_replies(old: Any, new: Any, field: Any) -> None:
    assert REAL_REPLY.count(old) == 1
    with pytest.raises(BadInput) as caught:
        reply_of(REAL_REPLY.replace(old, new))
    assert caught.value.field == field


@pytest.mark.parametrize("read_reply", [ocs.read_prolog_reply, ocs.read_inventory_reply])
def test_replies_have_a_limit_too(read_reply: Any) -> None:
    with pytest.raises(TooLarge):
        read_reply(zlib.compress(b"<REPLY>" + b" " * ocs.MAX_REPLY_BYTES))
    with pytest.raises(TooLarge):
        read_reply(zlib.compress(b"<REPLY/>"), max_inflated_bytes=7)
    with pytest.raises(BadInput):
        read_reply(b"404 Not Found")


@pytest.mark.parametrize(("tag", "value"), [("Room 7", "Room 7"), ("", "NA"), ("NA", "NA"), ("a<&>\"'é", "a<&>\"'é")])
def test_account_updates(tag: Any, value: Any) -> None:
    body = ocs.write_account_update(tag)
    assert ocs.read_inventory_reply(body) == {"TAG": value}
    assert [(child.tag, child.text) for child in xml_of(body).iter()] == [
        ("REPLY", None),
        ("RESPONSE", "ACCOUNT_UPDATE"),
        ("ACCOUNTINFO", None),
        ("KEYNAME", "TAG"),
        ("KEYVALUE", value),
    ]


def test_no_account_update() -> None:
    body = ocs.write_no_account_update()
    assert ocs.read_inventory_reply(body) == {}
    assert xml_of(body).findtext("RESPONSE") == "NO_ACCOUNT_UPDATE"


def test_a_value_without_a_key() -> None:
    body = zlib.compress(b"<REPLY><ACCOUNTINFO><KEYVALUE>x</KEYVALUE></ACCOUNTINFO></REPLY>")
    assert ocs.read_inventory_reply(body) == {"": "x"}
