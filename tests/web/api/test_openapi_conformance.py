"""A real server, asked by schemathesis for all that its OpenAPI document describes, rightly and wrongly; and asked for
what no document can describe.

Seeded: each run sends the same requests.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hypothesis
import msgpack
import pytest
import requests
import schemathesis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from schemathesis import checks as schemathesis_checks

from distd.web.api.answer_fields import ANSWER_FIELDS
from tests.programs import commands
from tests.programs.processes import listening, plain_environment, serve_command
from tests.programs.waiting import LIMIT_S
from tests.web.api.conftest import basic
from tests.web.api.documented import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = int(os.environ.get("DISTD_CONFORMANCE_EXAMPLES", "5"))  # of each route; `make conformance` sends more
PROBLEM = "application/problem+json"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)


# Read in the test: what is asked takes seconds to make, which every process of pytest would spend when it collects.
API = schemathesis.pytest.from_fixture("api")
# Without the stream that has no end, and the plan, which takes some seconds.
SLOW = {"/api/v1/mirror/events", "/api/v1/packages/{package_id}/plan", "/api/v1/rollouts/{rollout}/plan"}
GETS = [path for path, methods in DOCUMENT["paths"].items() if "get" in methods and path not in SLOW]


@schemathesis.serializer("application/msgpack")
def pack(_context: Any, value: Any) -> Any:
    try:
        return msgpack.packb(value, use_bin_type=True)
    except (OverflowError, TypeError, ValueError):
        return b"\xc1"  # no msgpack at all


@dataclass(frozen=True)
class Site:
    """A server with a package, a computer, a mirror that has joined; `real` are names that it knows."""

    url: str
    address: str
    operator: dict[str, str]
    mirror: dict[str, str]
    real: dict[str, str]

    def headers(self, path: str) -> dict[str, str]:
        """Who asks for this path. Nobody follows the events of mirrors: that has no end."""
        if path.endswith("/events") and "mirror" in path:
            return {"Authorization": "Bearer x"}
        return self.mirror if "/mirror/" in path else self.operator


@pytest.fixture(scope="module", autouse=True)
def _only_what_the_document_says() -> Iterator[None]:
    """Hypothesis also draws constants of the modules that happen to be loaded: each run would send other requests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(providers, "_get_local_constants", Constants)
        patch.setattr(providers, "CONSTANTS_CACHE", LRUCache(1024))
        yield


@pytest.fixture(scope="module")
def api() -> schemathesis.BaseSchema:
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))  # it changes what it gets
    schema.config.seed = 17
    return schema


@pytest.fixture
def _named(request: pytest.FixtureRequest) -> None:
    """Schemathesis sets this attribute, and reads it before, which items of pytest 9 no longer have."""
    request.node._nodeid = request.node.nodeid


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("conformance")
    data = folder / "site"
    password = commands.distd(data, "init", "--host", "localhost")["password"]
    (folder / "noise").write_bytes(secrets.token_bytes(100_000))
    build = ("package", "build", folder / "noise", "--name", "test", "--os", "LINUX", "--action", "STORE")
    package_id = commands.distd(data, *build, "--path", "/x", "--fragments", 4)["id"]
    commands.distd(data, "package", "activate", package_id)
    token = commands.distd(data, "mirror", "add", "m", "--url", "http://mirror:8080")["token"]
    commands.distd(data, "operator", "add", "eve", "--role", "viewer")
    commands.distd(data, "token", "create", "t")
    command = serve_command(data, {}, "127.0.0.1:0", "127.0.0.1:0")
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=plain_environment(), text=True) as server,
    ):
        try:
            assert server.stdout is not None
            address = listening(server.stdout.readline())[0]
            contact(address, "pc-2026-01-01-00-00-00")
            commands.distd(data, "assign", package_id, "--computer", "pc-2026-01-01-00-00-00")
            key = join(address, token)
            operator, mirror = basic("admin", password), {"Authorization": f"Bearer {key}"}
            url = f"http://{address}"
            job = requests.post(f"{url}/api/v1/packages/{package_id}/verify", headers=operator, timeout=LIMIT_S).json()
            names = {"package_id": package_id, "device_id": "pc-2026-01-01-00-00-00", "name": "m"}
            commands.distd(data, "filter", "save", "old", "windows", "--shared")
            commands.distd(data, "rollout", "create", "pilot", package_id, "--wave", "1", "--dynamic")
            names |= {"filter_name": "old", "operator": "eve", "token": "t", "group": "lab", "rollout": "pilot"}
            commands.distd(data, "set", "create", "office", package_id)
            commands.distd(data, "recurrence", "create", package_id, "--every-days", "7")
            commands.distd(data, "source", "watch", "noise", package_id, "https://localhost:9/noise", "--every", "1d")
            names |= {"set": "office", "recurrence": "1", "source": "noise"}
            yield Site(url, address, operator, mirror, names | {"job_id": str(job["job"])})
        finally:
            server.terminate()
            server.wait(LIMIT_S)
    assert "Traceback" not in (folder / "log").read_text()


def contact(address: str, device_id: str) -> None:
    text = f"<REQUEST><DEVICEID>{device_id}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>"
    answer = requests.post(f"http://{address}/ocsinventory", zlib.compress(text.encode()), timeout=LIMIT_S)
    assert answer.status_code == 200


def join(address: str, token: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    body = msgpack.packb({"token": token.rpartition(".")[0] or token, "request": asked.public_bytes(Encoding.PEM)})
    answer = requests.post(f"http://{address}/api/v1/mirror/join", body, timeout=LIMIT_S)
    assert answer.status_code == 200, answer.text
    found: str = msgpack.unpackb(answer.content)["key"]
    return found


def test_the_server_gives_this_document(site: Site) -> None:
    assert requests.get(f"{site.url}/api/v1/openapi.json", timeout=LIMIT_S).json() == DOCUMENT


SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@API.include(method="GET").parametrize()
@SETTINGS
@pytest.mark.usefixtures("_named")
@pytest.mark.timeout(1500)  # some fifty routes
def test_answers_to_gets_are_as_described(case: schemathesis.Case[Any], site: Site) -> None:
    check_answer(case, site)


@API.include(method="POST").parametrize()
@SETTINGS
@pytest.mark.usefixtures("_named")
@pytest.mark.timeout(1500)  # some fifty routes
def test_answers_to_posts_are_as_described(case: schemathesis.Case[Any], site: Site) -> None:
    check_answer(case, site)


@API.exclude(method=["GET", "POST"]).parametrize()
@SETTINGS
@pytest.mark.usefixtures("_named")
@pytest.mark.timeout(1500)  # some fifty routes
def test_answers_to_others_are_as_described(case: schemathesis.Case[Any], site: Site) -> None:
    check_answer(case, site)


def check_answer(case: schemathesis.Case[Any], site: Site) -> None:
    is_valid = case.meta is None or case.meta.generation.mode.is_positive
    if is_valid:  # every second valid request is for something that is there; the mirror stays
        for name, value in case.path_parameters.items():
            if not case.path.endswith(("/uploads/{name}", "/revoke")) and len(str(value)) % 2:
                case.path_parameters[name] = site.real[name]
    schemathesis_checks.load_all_checks()
    wanted: Any = schemathesis_checks.CHECKS.get_by_names(CHECKS)
    case.call_and_validate(base_url=site.url, headers=site.headers(case.path), checks=wanted, timeout=LIMIT_S)


# --- what no document can describe -------------------------------------------------------------------------------


def ask(site: Site, method: str, target: str, body: Any = None, **fields: str) -> http.client.HTTPResponse:
    """A request as it is: no path is quoted, no field is added but the log-in."""
    connection = http.client.HTTPConnection(site.address, timeout=LIMIT_S)
    with closing(connection):
        connection.putrequest(method, target, skip_accept_encoding=True)
        headers = site.headers(target) | {name.replace("_", "-"): value for name, value in fields.items()}
        if isinstance(body, bytes) and "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            connection.putheader(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer, and close, before all has been sent
            connection.endheaders(body)
        answer = connection.getresponse()
        answer.content = answer.read()  # type: ignore[attr-defined]
        return answer


def filled(path: str, site: Site) -> str:
    """A path with names that the server knows."""
    return path.format_map(site.real)


def check_problem(answer: Any, status: int) -> None:
    assert answer.status == status, answer.content
    assert answer.headers["Content-Type"] == PROBLEM
    assert {name: answer.headers[name] for name in ANSWER_FIELDS} == ANSWER_FIELDS
    found = json.loads(answer.content)
    assert (found["type"], found["status"]) == ("about:blank", status)
    assert found["title"]
    assert found["detail"]


@pytest.mark.parametrize("path", GETS)
def test_head_is_a_get_without_its_body(site: Site, path: str) -> None:
    got, asked = (ask(site, method, filled(path, site)) for method in ("GET", "HEAD"))
    assert (asked.status, asked.content) == (got.status, b"")  # type: ignore[attr-defined]
    assert {name: asked.headers[name] for name in ANSWER_FIELDS} == ANSWER_FIELDS


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_other_methods_are_told_which_there_are(site: Site, path: str) -> None:
    known = {method.upper() for method in DOCUMENT["paths"][path]}
    for method in {"PATCH", "TRACE", "CONNECT", "FOO"} - known:
        answer = ask(site, method, filled(path, site))
        check_problem(answer, 405)
        assert known <= {name.strip() for name in answer.headers["Allow"].split(",")}
    if path != "/api/v1/mirror/events":
        answer = ask(site, "OPTIONS", filled(path, site))
        assert answer.status in (200, 204)
        assert known <= {name.strip() for name in answer.headers["Allow"].split(",")}


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("coding", [{}, {"Transfer_Encoding": "chunked"}, {"Content_Encoding": "gzip"}])
def test_a_body_of_a_get_is_overlooked(site: Site, path: str, coding: dict[str, str]) -> None:
    plain = ask(site, "GET", filled(path, site)).status
    body = b"3\r\nabc\r\n0\r\n\r\n" if "Transfer_Encoding" in coding else b"abc"
    assert ask(site, "GET", filled(path, site), body, **coding).status == plain


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/v1/packages?stat=active", 400),
        ("/api/v1/packages/17?x", 400),
        ("/api/v1/uploads?x=1", 400),
        ("/api/v1/packages?name=a&name=b", 400),
        ("/api/v1/packages?name[]=a", 400),
        ("/api/v1/packages?=a", 400),
        ("/api/v1/packages?limit=", 400),
        ("/api/v1/packages?limit=1e3", 400),
        ("/api/v1/packages?limit=%EF%BC%91", 400),
        ("/api/v1/packages?limit=9" + "9" * 400, 400),
        ("/api/v1/packages?limit=-1", 400),
        ("/api/v1/packages?active=yes", 400),
        ("/api/v1/packages?name=%00", 400),
        ("/api/v1/packages?name=%ff", 400),
        ("/api/v1/packages?name=%ed%a0%80", 400),
        ("/api/v1/packages?name=" + "a" * 501, 400),
        ("/api/v1/packages?cursor=W10", 400),
        ("/api/v1/packages/17/results?state=", 400),
        ("/api/v1/packages/17/results?state=DONE", 400),
        ("/api/v1/events?after=" + "9" * 19, 400),
        ("/api/v1/events?" + "&".join(f"a{number}" for number in range(200)), 400),
        ("/api/v1/packages/%00", 404),
        ("/api/v1/packages/%ff", 404),
        ("/api/v1/packages/9" + "9" * 400, 404),
        ("/api/v1/computers/%00%01", 404),
        ("/api/v1/computers/%ed%a0%80", 404),
        ("/api/v1/computers/pc/mirrors/" + "9" * 40, 404),
        ("/api/v1/mirrors/%00", 404),
        ("/api/v1/uploads/%00", 400),
        ("/api/v1/uploads/a%252Fb", 404),
        ("/api/v1/uploads/%ff", 400),
        ("/api/v1//packages", 404),
        ("/api/v1/packages/", 404),
        ("/api", 404),
    ],
)
def test_odd_targets(site: Site, target: str, status: int) -> None:
    check_problem(ask(site, "GET", target), status)


@pytest.mark.parametrize("value", ["null", "None", "true", "%C3%A9", "%", "_", "*", "?", "\\", "%25"])
def test_a_text_is_a_text(site: Site, value: str) -> None:
    answer = ask(site, "GET", f"/api/v1/packages?name={value}")
    assert answer.status == 200
    total = json.loads(answer.content)["total"]  # type: ignore[attr-defined]
    there = json.loads(ask(site, "GET", "/api/v1/packages").content)["total"]  # type: ignore[attr-defined]
    assert total == (there if value == "*" else 0)


@pytest.mark.parametrize(
    "value",
    ["", "Basic", "Basic =", "Basic \xe9\xff", "basic " + "QQ" * 3000, "Bearer x", "Digest username=admin", "\xff"],
)
@pytest.mark.parametrize("path", ["/api/v1/packages", "/api/v1/uploads", "/api/v1/mirror/report"])
def test_who_is_nobody(site: Site, path: str, value: str) -> None:
    method = "POST" if path.endswith("report") else "GET"
    answer = ask(site, method, path, b"", Authorization=value)
    check_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].partition(" ")[0] in ("Basic", "Bearer")


@pytest.mark.parametrize(
    ("body", "fields", "status"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", {"Transfer_Encoding": "chunked"}, 411),
        (b"abc", {"Content_Encoding": "gzip"}, 415),
        (b"abc", {"Content_Range": "bytes 0-2/99999999999999"}, 413),
        (b"abc", {"Content_Range": "bytes 0-2/9" + "9" * 400}, 400),
        (b"abc", {"Content_Range": "bytes 5-7/10"}, 409),
        (b"abc", {"Content_Range": "bytes \xb2-3/10"}, 400),
        (b"abc", {"Blake3": "0" * 64}, 422),
        (b"abc", {"Blake3": ""}, 400),
    ],
)
def test_uploads_that_are_refused(site: Site, body: bytes, fields: dict[str, str], status: int) -> None:
    check_problem(ask(site, "PUT", "/api/v1/uploads/odd", body, **fields), status)


@pytest.mark.parametrize(
    ("method", "target", "body", "fields", "status"),
    [
        ("POST", "/api/v1/assignments", b"{}", {}, 415),
        ("POST", "/api/v1/assignments", b"{}", {"Content_Type": "text/plain"}, 415),
        ("POST", "/api/v1/assignments", b"{", {"Content_Type": "application/json"}, 400),
        ("POST", "/api/v1/assignments", b"[]", {"Content_Type": "application/json"}, 400),
        ("POST", "/api/v1/assignments", b"\xff", {"Content_Type": "application/json"}, 400),
        ("POST", "/api/v1/assignments", b"[" * 100_000, {"Content_Type": "application/json"}, 400),
        (
            "POST",
            "/api/v1/operators",
            b'{"name": "\\u0000", "password": "x"}',
            {"Content_Type": "application/json"},
            400,
        ),
        (
            "POST",
            "/api/v1/operators",
            b'{"name": "\\ud800", "password": "x"}',
            {"Content_Type": "application/json"},
            400,
        ),
        ("PUT", "/api/v1/mirror-rules", b'{"rules": ["\\ud800"]}', {"Content_Type": "application/json"}, 400),
        ("PUT", "/api/v1/mirror-rules", b'{"rules": []}' + b" " * 1_100_000, {"Content_Type": "application/json"}, 413),
        ("POST", "/api/v1/packages/17/deactivate", b"", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("DELETE", "/api/v1/operators/admin", b"", {"Sec_Fetch_Site": "same-site"}, 403),
        ("POST", "/api/v1/packages/17/deactivate?x=1", b"", {}, 400),
    ],
)
def test_changes_that_are_refused(
    site: Site, method: str, target: str, body: bytes, fields: dict[str, str], status: int
) -> None:
    check_problem(ask(site, method, target, body, **fields), status)


@pytest.mark.parametrize("path", ["/api/v1/mirror/join", "/api/v1/mirror/report"])
def test_messages_that_are_refused(site: Site, path: str) -> None:
    check_problem(ask(site, "POST", path, b"\xc1"), 400)
    check_problem(ask(site, "POST", path, b"x" * 1_048_577), 413)
    check_problem(ask(site, "POST", path, b"\x80", Content_Encoding="gzip"), 415)
