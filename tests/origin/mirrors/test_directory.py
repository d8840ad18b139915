"""Which mirrors can serve a package to a computer now, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.mirror_rules import Field, Via
from distd.origin.mirrors import directory, explanation, mirrors, presence
from distd.origin.packages import packages
from tests.fixtures.mirrors import add_mirror, join_mirror, report

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_mirrors_that_are_online_and_have_the_present_version_are_ready(origin: TestOrigin) -> None:
    origin.package("17")
    a, b, c = (add_mirror(origin, name) for name in "abc")
    report(origin, a, have=[["17", 1]], status={"agents": 3})
    report(origin, b, have=[["17", 2]])
    report(origin, c, have=[["17", 1]])
    origin.write(presence.set_lost, c, origin.now_s)
    found = origin.read(directory.load, Via.DIRECT, origin.now_s)
    assert set(found.online) == {a.id, b.id}
    assert found.ready == {"17": {a.id}}
    assert found.via == {"17": Via.DIRECT}
    assert found.online[a.id].load == 3


def test_what_is_known_of_a_mirror(origin: TestOrigin) -> None:
    mirror = add_mirror(
        origin, "a", address="10.0.0.5", networks=("10.0.0.0/8",), workgroup="W", userid="U", tag="T", location="L"
    )
    other = add_mirror(origin, "b", local=True)
    found = origin.read(directory.load, Via.DIRECT, origin.now_s).online
    assert found[mirror.id].fields == {
        Field.NAME: ("a",),
        Field.IPADDRESS: ("10.0.0.5",),
        Field.IPSUBNET: ("10.0.0.0",),
        Field.WORKGROUP: ("W",),
        Field.USERID: ("U",),
        Field.TAG: ("T",),
    }
    assert (found[mirror.id].http, found[mirror.id].https, found[mirror.id].location) == ("a:8080", "a:8443", "L")
    assert [str(network) for network in found[mirror.id].networks] == ["10.0.0.0/8"]
    assert (found[other.id].fields, found[other.id].location) == ({**found[other.id].fields, Field.IPADDRESS: ()}, "")
    assert (found[mirror.id].local, found[other.id].local, found[other.id].load) == (False, True, 0)


def test_an_activation_says_how_agents_get_fragments(origin: TestOrigin) -> None:
    for package_id in ("17", "18"):
        origin.package(package_id, active=False)
    origin.act(packages.activate, "17", None, None, origin.now_s, "steer")
    origin.act(packages.activate, "18", "x/a", "x/b", origin.now_s)
    assert origin.read(directory.load, Via.ORIGIN, origin.now_s).via == {"17": Via.STEER}


def test_what_mirrors_are_chosen_by(origin: TestOrigin) -> None:
    origin.inventory(hardware={"NAME": "PC", "IPADDR": "10.0.0.1/10.0.0.2"}, account={"TAG": "R1"})
    (facts,) = origin.read(directory.load_computers, [1, 99]).values()
    assert facts.key == "pc"
    assert facts.addresses == ("10.0.0.1", "10.0.0.2", "10.0.0.9")
    assert {field.value: values for field, values in facts.fields.items() if values} == {
        "NAME": ("PC",),
        "TAG": ("R1",),
        "IPADDRESS": ("10.0.0.1", "10.0.0.2"),
    }


def test_why_a_computer_gets_these_mirrors(origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog()
    ready = add_mirror(origin, "ready")
    report(origin, ready, have=[["17", 1]])
    local = add_mirror(origin, "local", local=True, networks=("192.168.0.0/16",))
    report(origin, local, have=[["17", 1]])
    add_mirror(origin, "empty")
    origin.write(presence.set_lost, add_mirror(origin, "lost"), origin.now_s - 60)
    join_mirror(origin, "new")
    add_mirror(origin, "revoked")
    origin.act(mirrors.revoke, "revoked", origin.now_s)
    origin.act(mirrors.add, mirrors.NewMirror("waiting", "http://w"), origin.now_s)
    found = origin.read(explanation.explain, "pc", "17", Via.DIRECT, origin.now_s)
    assert found.via == "direct"
    assert [name for name, _ in found.order] == ["ready"]
    assert found.others == [
        ("empty", "has not verified version 1 of 17 yet"),
        ("local", "serves only its own networks and location"),
        ("lost", "offline, last seen 60 s ago"),
        ("new", "offline, never connected"),
        ("revoked", "revoked"),
        ("waiting", "has not joined"),
    ]
