"""The wire codec's requests: bodies as stock agents write them, and hostile ones. The replies: test_ocs_replies.py."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput, TooLarge
from distd.domain.inventory import SECTIONS
from distd.domain.records import DownloadRequest, InventoryRequest, PrologRequest
from distd.wire import ocs

LIMIT_BYTES = 4_194_304
DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>\n"


def read(text: Any, limit_bytes: Any = LIMIT_BYTES) -> Any:
    xml = text.encode() if isinstance(text, str) else text
    return ocs.read_request(zlib.compress(xml), max_inflated_bytes=limit_bytes)


def inventory(content: Any) -> Any:
    return read(f"<REQUEST><CONTENT>{content}</CONTENT><DEVICEID>pc-1</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>")


# --- requests ----------------------------------------------------------------------------------------------------

PROLOG = f"{DECLARATION}<REQUEST><DEVICEID>host-2026-11-22-23-59-03</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>"
DOWNLOAD = '<REQUEST DEVICEID="host-2026-11-22-23-59-03" ERR="SUCCESS" ID="1700000001" QUERY="DOWNLOAD" />\n'
HOST = "host-2026-11-22-23-59-03"

INVENTORY = f"""{DECLARATION}<REQUEST>
  <CONTENT>
    <ACCOUNTINFO><KEYNAME>TAG</KEYNAME><KEYVALUE>Room 7</KEYVALUE></ACCOUNTINFO>
    <ACCOUNTINFO>
      <KEYNAME>fields_3</KEYNAME>
      <KEYVALUE></KEYVALUE>
    </ACCOUNTINFO>
    <BIOS><SSN>1</SSN></BIOS>
    <DOWNLOAD>
      <HISTORY>
        <PACKAGE ID="1700000001" />
        <PACKAGE ID="1700000002" />
        <PACKAGE ID="not one of ours" />
      </HISTORY>
    </DOWNLOAD>
    <HARDWARE>
      <NAME>pc-7</NAME>
      <OSNAME>Debian GNU/Linux &amp; co</OSNAME>
      <DESCRIPTION></DESCRIPTION>
      <USERID>
        zoë
      </USERID>
    </HARDWARE>
    <NETWORKS><DESCRIPTION>eth0</DESCRIPTION><IPADDRESS>10.0.0.7</IPADDRESS><STATUS>Up</STATUS></NETWORKS>
    <NETWORKS><DESCRIPTION>wlan0</DESCRIPTION><STATUS>Down</STATUS></NETWORKS>
    <SOFTWARES><NAME>perl</NAME><VERSION>5</VERSION></SOFTWARES>
  </CONTENT>
  <DEVICEID>{HOST}</DEVICEID>
  <QUERY>INVENTORY</QUERY>
</REQUEST>
"""


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        pytest.param(PROLOG, PrologRequest(HOST), id="a PROLOG as captured"),
        pytest.param(f'<REQUEST DEVICEID="{HOST}" QUERY="PROLOG"/>', PrologRequest(HOST), id="a PROLOG of attributes"),
        pytest.param(DOWNLOAD, DownloadRequest(HOST, "1700000001", "SUCCESS"), id="a DOWNLOAD as captured"),
        pytest.param(
            f"<REQUEST><ID>17</ID><ERR> ERR_X </ERR><QUERY>DOWNLOAD</QUERY><DEVICEID>{HOST}</DEVICEID></REQUEST>",
            DownloadRequest(HOST, "17", "ERR_X"),
            id="a DOWNLOAD of elements",
        ),
        pytest.param(
            f'<REQUEST DEVICEID="{HOST}" ID="17" QUERY="DOWNLOAD"/>', DownloadRequest(HOST, "17", ""), id="no code"
        ),
        pytest.param(
            INVENTORY,
            InventoryRequest(
                HOST,
                {"NAME": "pc-7", "OSNAME": "Debian GNU/Linux & co", "DESCRIPTION": "", "USERID": "zoë"},
                {"TAG": "Room 7", "fields_3": ""},
                (
                    {"DESCRIPTION": "eth0", "IPADDRESS": "10.0.0.7", "STATUS": "Up"},
                    {"DESCRIPTION": "wlan0", "STATUS": "Down"},
                ),
                frozenset({"1700000001", "1700000002"}),
                bios={"SSN": "1"},
                software=({"NAME": "perl", "VERSION": "5"},),
            ),
            id="an INVENTORY",
        ),
    ],
)
def test_requests(text: Any, request_: Any) -> None:
    assert read(text) == request_
    assert ocs.read_request(text.encode(), max_inflated_bytes=LIMIT_BYTES) == request_, "uncompressed"


@pytest.mark.parametrize(
    ("content", "history"),
    [
        pytest.param("", None, id="the module is off"),
        pytest.param("<HARDWARE/>", None, id="other sections only"),
        pytest.param("<DOWNLOAD/>", frozenset(), id="an empty section"),
        pytest.param("<DOWNLOAD><HISTORY></HISTORY></DOWNLOAD>", frozenset(), id="no package yet"),
        pytest.param("<DOWNLOAD><HISTORY><PACKAGE ID='7'/></HISTORY></DOWNLOAD>", {"7"}, id="one"),
        pytest.param("<DOWNLOAD><HISTORY><PACKAGE><ID>7</ID></PACKAGE></HISTORY></DOWNLOAD>", {"7"}, id="as a child"),
        pytest.param("<DOWNLOAD><HISTORY><PACKAGE/></HISTORY></DOWNLOAD>", frozenset(), id="without an id"),
        pytest.param("<X><DOWNLOAD><HISTORY><PACKAGE ID='7'/></HISTORY></DOWNLOAD></X>", None, id="elsewhere"),
    ],
)
def test_what_an_inventory_tells_of_the_history(content: Any, history: Any) -> None:
    assert inventory(content).history == history


def test_sections_of_the_same_name_elsewhere_are_not_the_computers() -> None:
    request = inventory("<X><HARDWARE><NAME>no</NAME></HARDWARE></X><HARDWARE><NAME>yes<B>no</B></NAME></HARDWARE>")
    assert request.hardware.keys() == {"NAME"}
    assert request.hardware["NAME"] != "no"
    assert inventory("<QUERY>PROLOG</QUERY><DEVICEID>other</DEVICEID>").device_id == "pc-1"


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16", "windows-1252", "utf-8"])
def test_encodings_of_agents(encoding: Any) -> None:
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><REQUEST><DEVICEID>zoë</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>'
    )
    assert read(text.encode(encoding)) == PrologRequest("zoë")


@pytest.mark.parametrize("encoding", ["klingon", "utf-7", "shift_jis", "hex", "zlib", "idna", "undefined", "aliases"])
def test_encodings_that_are_none_of_xmls(encoding: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read(f'<?xml version="1.0" encoding="{encoding}"?><REQUEST><DEVICEID>a</DEVICEID></REQUEST>')
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("<REQUEST><DEVICEID>a</DEVICEID></REQUEST>", "REQUEST/QUERY"),
        ("<REQUEST><DEVICEID>a</DEVICEID><QUERY>SNMP</QUERY></REQUEST>", "REQUEST/QUERY"),
        ("<REQUEST><DEVICEID>a</DEVICEID><QUERY>prolog</QUERY></REQUEST>", "REQUEST/QUERY"),
        ("<REQUEST><QUERY>PROLOG</QUERY></REQUEST>", "REQUEST/DEVICEID"),
        ("<REQUEST><DEVICEID></DEVICEID><QUERY>PROLOG</QUERY></REQUEST>", "REQUEST/DEVICEID"),
        ("<REQUEST><DEVICEID>a&#10;b</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>", "REQUEST/DEVICEID"),
        ("<REQUEST><DEVICEID>a&#x202e;b</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>", "REQUEST/DEVICEID"),
        (f"<REQUEST><DEVICEID>{'a' * 256}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>", "REQUEST/DEVICEID"),
        ('<REQUEST DEVICEID="a" ID="1x" QUERY="DOWNLOAD"/>', "REQUEST/ID"),
        ('<REQUEST DEVICEID="a" ID="../1" QUERY="DOWNLOAD"/>', "REQUEST/ID"),
        ('<REQUEST DEVICEID="a" ID="٣" QUERY="DOWNLOAD"/>', "REQUEST/ID"),
        ('<REQUEST DEVICEID="a" QUERY="DOWNLOAD"/>', "REQUEST/ID"),
        ("<REPLY><DEVICEID>a</DEVICEID><QUERY>PROLOG</QUERY></REPLY>", "body"),
        ("<html><body>hello</body></html>", "body"),
        ("<REQUEST><DEVICEID>a</DEVICEID><QUERY>PROLOG</QUERY>", "body"),
        (f"{PROLOG}x", "body"),
        (f"{PROLOG}<REQUEST/>", "body"),
        ("<REQUEST><DEVICEID>&nbsp;</DEVICEID></REQUEST>", "body"),
        ("\0", "body"),
        ("", "body"),
    ],
)
def test_bad_requests(text: Any, field: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read(text)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_a_device_id_of_the_greatest_length() -> None:
    assert read(PROLOG.replace(HOST, "ä" * 255)) == PrologRequest("ä" * 255)


# --- hostile bodies ----------------------------------------------------------------------------------------------

WHOLE = zlib.compress(PROLOG.encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello", id="no zlib"),
        pytest.param(b"\x1f\x8b\x08\0\0\0\0\0\0\3", id="gzip"),
        pytest.param(WHOLE[2:], id="raw deflate"),
        pytest.param(WHOLE + b"\0", id="a byte behind"),
        pytest.param(WHOLE + WHOLE, id="two streams"),
        pytest.param(WHOLE[:-5] + bytes([WHOLE[-5] ^ 1]) + WHOLE[-4:], id="a bit flipped"),
        pytest.param(WHOLE[:-4] + b"\0\0\0\0", id="another checksum"),
    ],
)
def test_bodies_that_are_no_zlib_stream(body: Any) -> None:
    with pytest.raises(BadInput):
        ocs.read_request(body, max_inflated_bytes=LIMIT_BYTES)


@pytest.mark.parametrize("beyond", [1, ocs.INPUT_BYTES, 3 * ocs.INPUT_BYTES])
def test_a_stream_of_many_pieces_is_read_to_its_end_and_not_beyond(beyond: int) -> None:
    xml = b"<REQUEST>" + random.Random(1).randbytes(3 * ocs.INPUT_BYTES).hex().encode() + b"</REQUEST>"
    body = zlib.compress(xml)
    assert len(body) > 3 * ocs.INPUT_BYTES
    assert b"".join(ocs.inflate(body, max_inflated_bytes=len(xml))) == xml
    for changed in (body[:-beyond], body + bytes(beyond)):
        with pytest.raises(BadInput, match=r"end early|after it"):
            list(ocs.inflate(changed, max_inflated_bytes=len(xml)))


def test_a_stream_cut_anywhere_is_refused() -> None:
    for end in range(len(WHOLE)):
        with pytest.raises(BadInput):
            ocs.read_request(WHOLE[:end], max_inflated_bytes=LIMIT_BYTES)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<!DOCTYPE REQUEST>", id="a bare DTD"),
        pytest.param('<!DOCTYPE REQUEST SYSTEM "file:///etc/passwd">', id="an external one"),
        pytest.param('<!DOCTYPE REQUEST [<!ENTITY x SYSTEM "file:///etc/passwd">]>', id="an external entity"),
        pytest.param('<!DOCTYPE REQUEST [<!ENTITY % p SYSTEM "http://x/"> %p;]>', id="a parameter entity"),
        pytest.param(
            '<!DOCTYPE REQUEST [<!ENTITY a "aaaaaaaaaa">'
            + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
            + "]>",
            id="an entity bomb",
        ),
    ],
)
def test_no_dtd_and_no_entities(text: Any) -> None:
    with pytest.raises(BadInput, match="expected XML without a DTD"):
        read(f"{text}<REQUEST><DEVICEID>&a;</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>")


def bomb(start: Any, filler: Any, size_bytes: Any) -> Any:
    deflater = zlib.compressobj(9)
    body = deflater.compress(start)
    for _ in range(size_bytes // (65_536 * len(filler))):
        body += deflater.compress(filler * 65_536)
    return body + deflater.flush()


@pytest.mark.parametrize(
    ("start", "filler"),
    [
        pytest.param(b"<REQUEST><X>", b"a", id="a text"),
        pytest.param(b"<REQUEST>", b"<X>a</X>", id="elements"),
        pytest.param(b"<REQUEST><CONTENT>", b"<HARDWARE><A>b</A></HARDWARE>", id="elements that are wanted"),
        pytest.param(b"<REQUEST><!--", b"a", id="a comment"),
        pytest.param(b"<REQUEST X='", b"a", id="an attribute"),
        pytest.param(b"<REQUEST>", b" ", id="white space"),
    ],
)
def test_a_bomb_never_grows_beyond_the_limit(start: Any, filler: Any) -> None:
    """Expat doubles its buffer for an unfinished tag: hence four times the limit, a quarter of what the bomb holds."""
    body = bomb(start, filler, 16 * LIMIT_BYTES)
    assert len(body) < LIMIT_BYTES / 4
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            ocs.read_request(body, max_inflated_bytes=LIMIT_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
def test_the_limit_holds_to_the_byte(compress: Any) -> None:
    body = WHOLE if compress else PROLOG.encode()
    assert ocs.read_request(body, max_inflated_bytes=len(PROLOG)) == PrologRequest(HOST)
    with pytest.raises(TooLarge):
        ocs.read_request(body, max_inflated_bytes=len(PROLOG) - 1)


def test_elements_are_limited_in_depth() -> None:
    def nested(depth: Any) -> Any:
        return inventory("<A>" * (depth - 2) + "</A>" * (depth - 2))

    assert nested(32).device_id == "pc-1"
    with pytest.raises(BadInput, match="at most 32 deep"):
        nested(33)


def test_elements_are_limited_in_number() -> None:
    with pytest.raises(TooLarge, match="100000 elements"):
        ocs.read_request(b"<REQUEST>" + b"<A/>" * 100_000 + b"</REQUEST>", max_inflated_bytes=LIMIT_BYTES)


def test_what_a_body_costs_is_in_proportion_to_what_was_sent() -> None:
    """Each was accepted once: some kilobytes that inflate a thousandfold, or are nothing but elements."""
    small = len(zlib.compress(b"<REQUEST>" + b"<A/>" * 4000 + b"</REQUEST>"))
    assert small < 200
    with pytest.raises(TooLarge, match=f"at most {1024 + small} elements"):
        read("<REQUEST>" + "<A/>" * 4000 + "</REQUEST>")
    blank = b"<REQUEST>" + b" " * 2_000_000 + b"</REQUEST>"
    sent = len(zlib.compress(blank))
    with pytest.raises(TooLarge, match=f"at most {16_384 + 50 * sent} bytes when inflated"):
        read(blank)
    with pytest.raises(BadInput, match="REQUEST/DEVICEID"):  # what it is refused for, where it may inflate so far
        ocs.read_request(zlib.compress(blank), max_inflated_bytes=LIMIT_BYTES, max_ratio=1032)


def test_a_code_is_cut_but_never_refused() -> None:
    for text in (f"<REQUEST ERR='{'E' * 9000}'>", f"<REQUEST><ERR>{'E' * 9000}</ERR>"):
        request = read(f"{text}<DEVICEID>a</DEVICEID><ID>1</ID><QUERY>DOWNLOAD</QUERY></REQUEST>")
        assert request.code == "E" * 4096


@given(st.binary(max_size=300))
def test_any_bytes_are_bad_input_at_most(data: Any) -> None:
    for body in (data, b"<" + data, zlib.compress(data), zlib.compress(PROLOG.encode()[: len(data)] + data)):
        with pytest.raises(BadInput):
            ocs.read_request(body, max_inflated_bytes=LIMIT_BYTES)


# --- what our own agent writes -----------------------------------------------------------------------------------

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), max_size=50
).map(str.strip)


def items(section: str) -> Any:
    """What is kept of an item of a section, each value short enough."""
    fields = SECTIONS[section].fields.items()
    return st.dictionaries(st.sampled_from([name for name, limit in fields if limit > 50]), TEXTS, max_size=5)


def lists(section: str) -> Any:
    """An empty item says nothing, so it is not written."""
    return st.lists(items(section).filter(len), max_size=3).map(tuple)


IDS = st.integers(0, 10**12).map(str)
DEVICE_IDS = TEXTS.filter(lambda text: text and text.isprintable())
REQUESTS = (
    st.builds(PrologRequest, DEVICE_IDS)
    | st.builds(DownloadRequest, DEVICE_IDS, IDS, TEXTS)
    | st.builds(
        InventoryRequest,
        device_id=DEVICE_IDS,
        hardware=items("HARDWARE"),
        account=st.dictionaries(st.from_regex("[A-Z]{1,12}", fullmatch=True), TEXTS, max_size=5),
        networks=lists("NETWORKS"),
        history=st.none() | st.frozensets(IDS, max_size=5),
        bios=items("BIOS"),
        cpus=lists("CPUS"),
        memories=lists("MEMORIES"),
        drives=lists("DRIVES"),
        storages=lists("STORAGES"),
        software=lists("SOFTWARES"),
    )
)


@given(REQUESTS)
def test_requests_survive_the_wire(request_: Any) -> None:
    assert ocs.read_request(ocs.write_request(request_), max_inflated_bytes=LIMIT_BYTES) == request_


def test_requests_look_like_the_stock_agents() -> None:
    assert zlib.decompress(ocs.write_request(PrologRequest(HOST))) == PROLOG.encode()
    assert (
        zlib.decompress(ocs.write_request(DownloadRequest(HOST, "1700000001", "SUCCESS"))) == DOWNLOAD.encode().strip()
    )
    assert ocs.write_request(PrologRequest(HOST))[:2] == b"\x78\x9c"
