"""Which mirror a computer gets: tables of cases, and what holds for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.mirror_rules import (
    ComputerFacts,
    Field,
    MirrorFacts,
    Op,
    Rule,
    fields_of,
    has_variables,
    parse_networks,
    parse_rule,
    rank,
    substitute,
)

NETWORKS = parse_networks(["10.1.0.0/16"])


def mirror(
    name: Any,
    *,
    networks: Any = (),
    location: Any = "",
    local: Any = False,
    load: Any = 0,
    number: Any = 0,
    **fields: Any,
) -> Any:
    parsed = parse_networks(networks)
    others = {Field(key.upper()): text for key, text in fields.items() if key != "address"}
    known = fields_of(name, fields.get("address", ""), parsed, others)
    return MirrorFacts(number, name, f"{name}:8080", f"{name}:8443", known, parsed, location, local, load)


def computer(*addresses: Any, **fields: Any) -> Any:
    return ComputerFacts("pc", {Field(key.upper()): (text,) for key, text in fields.items()}, addresses)


RULES = [
    ("NAME EQUALS NAME", {"name": "SRV"}, "srv", {}, True),
    ("NAME EQUALS NAME", {"name": "srv2"}, "srv", {}, False),
    ("IPSUBNET EQUALS IPSUBNET", {"ipsubnet": "10.1.0.0"}, "m", {"networks": ["10.1.0.0/16"]}, True),
    ("IPSUBNET EQUALS IPSUBNET", {"ipsubnet": "10.2.0.0"}, "m", {"networks": ["10.1.0.0/16"]}, False),
    ("WORKGROUP DIFFERS WORKGROUP", {"workgroup": "A"}, "m", {"workgroup": "B"}, True),
    ("WORKGROUP DIFFERS WORKGROUP", {"workgroup": "b"}, "m", {"workgroup": "B"}, False),
    ("WORKGROUP DIFFERS WORKGROUP", {}, "m", {"workgroup": "B"}, False),  # unknown
    ("WORKGROUP DIFFERS WORKGROUP", {"workgroup": "A"}, "m", {}, False),
    ("TAG LIKE TAG", {"tag": "paris-12"}, "m", {"tag": "PARIS%"}, True),
    ("TAG LIKE TAG", {"tag": "lyon"}, "m", {"tag": "PARIS%"}, False),
    ("TAG LIKE TAG", {"tag": "a.c"}, "m", {"tag": "a_c"}, True),
    ("TAG LIKE TAG", {"tag": "abc"}, "m", {"tag": "a.c"}, False),  # no regular expression
    ("USERID EQUALS TAG", {"userid": "x"}, "m", {"tag": "x"}, True),
    ("IPADDRESS LIKE IPADDRESS", {"ipaddress": "10.1.2.3"}, "m", {"address": "10.1.%"}, True),
]


@pytest.mark.parametrize(("text", "mine", "name", "theirs", "holds"), RULES)
def test_rules_match(text: Any, mine: Any, name: Any, theirs: Any, holds: Any) -> None:
    assert parse_rule(text).matches(computer(**mine).fields, mirror(name, **theirs).fields) is holds


def test_of_several_values_one_is_enough() -> None:
    there = mirror("m", networks=["10.1.0.0/16", "10.2.0.0/16"])
    fields = {Field.IPSUBNET: ("192.168.0.0", "10.2.0.0")}
    assert Rule(Field.IPSUBNET, Op.EQUALS, Field.IPSUBNET).matches(fields, there.fields)
    assert not Rule(Field.IPSUBNET, Op.DIFFERS, Field.IPSUBNET).matches(fields, there.fields)


@pytest.mark.parametrize("text", ["", "NAME", "NAME IS NAME", "NAME EQUALS", "COLOUR EQUALS NAME", "NAME EQUALS TAG x"])
def test_bad_rules_are_refused(text: Any) -> None:
    with pytest.raises(BadInput, match="rules: expected FIELD EQUALS"):
        parse_rule(text)


def test_a_rule_as_text() -> None:
    assert str(parse_rule("name like tag")) == "NAME LIKE TAG"


ORDERS = {
    "a rule before a network": (["ruled", "near"], ["TAG EQUALS TAG"]),
    "without rules the network": (["near", "ruled"], []),
}


@pytest.mark.parametrize(("names", "rules"), ORDERS.values(), ids=ORDERS)
def test_the_first_mirror(names: Any, rules: Any) -> None:
    mirrors = [mirror("near", networks=["10.1.0.0/16"]), mirror("ruled", tag="x")]
    found = rank(computer("10.1.2.3", tag="x"), mirrors, [parse_rule(rule) for rule in rules])
    assert [choice.mirror.name for choice in found] == names


def test_the_smallest_network_then_the_location_then_the_load() -> None:
    mirrors = [
        mirror("idle", load=0),
        mirror("busy", load=9),
        mirror("wide", networks=["10.0.0.0/8"]),
        mirror("close", networks=["10.1.2.0/24"], load=500),
        mirror("there", location="Paris"),
    ]
    found = rank(computer("10.1.2.3", tag="PARIS"), mirrors, [])
    assert [(choice.mirror.name, choice.why) for choice in found] == [
        ("close", "network 10.1.2.0/24"),
        ("wide", "network 10.0.0.0/8"),
        ("there", "location Paris"),
        ("idle", "lowest load (0 agents)"),
        ("busy", "lowest load (9 agents)"),
    ]


def test_a_local_mirror_serves_only_its_own_computers() -> None:
    mirrors = [mirror("m", networks=["10.1.0.0/16"], location="Paris", local=True)]
    assert rank(computer("10.2.0.1"), mirrors, []) == []
    assert rank(computer("10.1.0.1"), mirrors, []) != []
    assert rank(computer("10.2.0.1", tag="paris"), mirrors, []) != []


def test_of_two_networks_of_a_mirror_the_smaller_counts() -> None:
    (choice,) = rank(computer("10.1.2.3"), [mirror("m", networks=["10.0.0.0/8", "10.1.2.0/24"])], [])
    assert choice.why == "network 10.1.2.0/24"


def test_equally_good_mirrors_are_spread_over_computers() -> None:
    mirrors = [mirror(name, number=number) for number, name in enumerate(("a", "b", "c"))]
    first = [rank(ComputerFacts(f"pc{number}", {}), mirrors, [])[0].mirror.name for number in range(300)]
    assert all(70 < first.count(name) < 130 for name in "abc")
    assert first == [
        rank(ComputerFacts(f"pc{number}", {}), reversed(mirrors), [])[0].mirror.name for number in range(300)
    ]
    # The end of one moves only those who were with it.
    without = [rank(ComputerFacts(f"pc{number}", {}), mirrors[:2], [])[0].mirror.name for number in range(300)]
    assert all(before == after for before, after in zip(first, without, strict=True) if before != "c")


@given(st.lists(st.ip_addresses().map(str), max_size=3), st.lists(st.ip_addresses(network="10.0.0.0/8").map(str)))
def test_any_addresses(addresses: Any, networks: Any) -> None:
    """IPv4 and IPv6 beside each other, and whatever an agent says, do not stop the ranking."""
    there = mirror("m", networks=networks)
    (choice,) = rank(computer(*addresses, "nonsense", ""), [there], [])
    assert (choice.why.startswith("network")) == bool(set(addresses) & set(networks))


def test_variables_in_a_location() -> None:
    there = mirror("paris", address="10.1.0.5")
    assert substitute("$IP$:8080/$NAME$", there) == "10.1.0.5:8080/paris"
    assert substitute("$IP$/x", mirror("lyon")) == "lyon/x"  # what its URL says
    assert has_variables("$NAME$/x")
    assert not has_variables("name/x")
    assert not has_variables(None)


def test_bad_networks_are_refused() -> None:
    with pytest.raises(BadInput, match="networks: expected a network such as"):
        parse_networks(["10.1.0.1/16"])
