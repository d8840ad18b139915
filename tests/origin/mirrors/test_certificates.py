"""Certificates of mirrors: renewed for their own names, remembered to be revoked, waiting for a CA elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from distd.domain.errors import BadInput, NotFound
from distd.origin.mirrors import certificates, mirrors
from distd.storage import issuing, pki
from tests.fixtures.mirrors import add_mirror

KEY, OTHER = issuing.new_server_key(), issuing.new_server_key()
REQUEST = issuing.make_request(KEY, ["elsewhere.example"])


@pytest.fixture
def issue(data: Any) -> Any:
    ca, ca_key = pki.load_ca(data.ca_certificate), pki.load_ca_key(data.keys / pki.CA_KEY)
    return lambda request: issuing.issue(request, ca, ca_key, 30)


def test_a_mirror_gets_the_names_that_the_operator_gave_it(origin: Any, issue: Any) -> None:
    mirror = add_mirror(origin, "paris", address="10.1.0.2")
    pem = origin.write(certificates.renew, mirror, REQUEST, 7, issue, origin.now_s)
    found = x509.load_pem_x509_certificate(pem)
    assert issuing.hosts_of(found) == ["paris", "10.1.0.2", "localhost", "127.0.0.1", "::1"]
    assert found.public_key() == KEY.public_key()
    assert origin.read(certificates.serials, "paris") == [7, found.serial_number]
    assert origin.read(certificates.serials) == [7, found.serial_number]


def test_so_many_are_remembered(origin: Any, issue: Any) -> None:
    mirror = add_mirror(origin, "paris")
    for _ in range(certificates.MAX_CERTIFICATES + 3):
        pem = origin.write(certificates.renew, mirror, REQUEST, 0, issue, origin.now_s)
    known = origin.read(certificates.serials, "paris")
    assert len(known) == certificates.MAX_CERTIFICATES
    assert known[-1] == x509.load_pem_x509_certificate(pem).serial_number


@pytest.mark.parametrize("request_pem", [b"x", issuing.make_request(issuing.new_signer_key())])
def test_it_gets_no_certificate_for_other_uses(origin: Any, issue: Any, request_pem: bytes) -> None:
    """A signer's would let it sign manifests."""
    mirror = add_mirror(origin, "paris")
    with pytest.raises(BadInput):
        origin.write(certificates.renew, mirror, request_pem, 0, issue, origin.now_s)


def test_where_the_ca_is_elsewhere_it_waits_until_it_is_signed(origin: Any, issue: Any) -> None:
    mirror = add_mirror(origin, "paris")
    request = issuing.make_request(KEY, ["paris"])
    assert origin.write(certificates.renew, mirror, request, 0, None, origin.now_s) == b""
    assert origin.write(certificates.renew, mirror, request, 0, None, origin.now_s) == b""
    assert origin.read(certificates.waiting) == {"paris": request.decode()}
    signed = issue(issuing.read_request(request))
    origin.write(certificates.install, "paris", signed, origin.now_s)
    assert origin.read(certificates.waiting) == {}
    pem = origin.write(certificates.renew, mirror, request, 0, None, origin.now_s)
    assert x509.load_pem_x509_certificate(pem) == signed
    # With another key it is another request.
    again = issuing.make_request(OTHER, ["paris"])
    assert origin.write(certificates.renew, mirror, again, signed.serial_number, None, origin.now_s) == b""
    assert origin.read(certificates.waiting) == {"paris": again.decode()}


def test_what_was_signed_for_another_key_or_other_names_is_refused(origin: Any, issue: Any) -> None:
    mirror = add_mirror(origin, "paris")
    origin.write(certificates.renew, mirror, issuing.make_request(KEY, ["bank.example"]), 0, None, origin.now_s)
    other = issue(issuing.read_request(issuing.make_request(OTHER, ["paris"])))
    with pytest.raises(BadInput, match="one for the key of mirror paris"):
        origin.write(certificates.install, "paris", other, origin.now_s)
    foreign = issue(issuing.read_request(issuing.make_request(KEY, ["bank.example"])))
    with pytest.raises(BadInput, match="the names of mirror paris"):
        origin.write(certificates.install, "paris", foreign, origin.now_s)
    with pytest.raises(NotFound):
        origin.write(certificates.install, "rome", other, origin.now_s)


def test_a_revoked_mirror_waits_for_nothing(origin: Any) -> None:
    mirror = add_mirror(origin, "paris")
    origin.write(certificates.renew, mirror, REQUEST, 0, None, origin.now_s)
    origin.act(mirrors.revoke, "paris", origin.now_s)
    assert origin.read(certificates.waiting) == {}
