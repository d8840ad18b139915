"""Keys of versions sort as dpkg sorts versions."""

from __future__ import annotations

import re
from itertools import pairwise, zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.versions import KEY_LIMIT, version_key

ORDERED = (
    ("115.0.2", "115.10"),
    ("10.0.9200", "10.0.19045", "10.0.22631"),
    ("2.3.4.5", "2.3.4.50", "2.3.10.1"),
    ("1.0~~", "1.0~~a", "1.0~", "1.0~rc1", "1.0", "1.0-0ubuntu1", "1.0-1", "1.0-1+b1", "1.0a", "1.0+git", "1.0.1"),
    ("2.3-4~deb12", "2.3-4", "2.3-4+deb12u1", "2.3-10"),
    ("9.9", "1:0.1", "1:2.3-4~deb12", "2:0"),
    ("2024-01-05", "2024-02-01", "2025-01-01"),
    ("20230218+dfsg1-1", "20230219"),
    ("", "~", "0", "0a", "0b", "1"),
    ("6.1.0-26-amd64", "6.1.0-100-amd64", "6.10.0-1-amd64"),
)


@pytest.mark.parametrize("versions", ORDERED)
def test_the_order(versions: tuple[str, ...]) -> None:
    for lower, higher in pairwise(versions):
        assert version_key(lower) < version_key(higher), (lower, higher)


@pytest.mark.parametrize("equal", [("1.0", "1.00", "01.0", "0:1.0", "1.0-0", " 1.0 "), ("1.", "1.0"), ("a", "a0")])
def test_versions_that_are_equal(equal: tuple[str, ...]) -> None:
    assert len({version_key(version) for version in equal}) == 1


VERSIONS = st.one_of(
    st.from_regex(r"\A([0-9]:)?[0-9]{1,3}(\.[0-9]{1,3}){0,3}([~+a-z.][0-9]{0,2}){0,2}(-[0-9a-z~+.]{1,4})?\Z"),
    st.text(st.sampled_from("019.~-+:aZ_ é"), max_size=12),
    st.text(max_size=8),
)


@given(VERSIONS, VERSIONS)
def test_keys_compare_as_versions_do(a: str, b: str) -> None:
    """Against dpkg's algorithm, as deb-version(7) describes it."""
    a, b = a.strip(), b.strip()
    if a and b:
        assert sign(version_key(a), version_key(b)) == compare(a, b)


@given(st.text(st.sampled_from("0123456789.~-+:aZ_ é"), max_size=2000))
def test_a_key_is_bounded(version: str) -> None:
    key = version_key(version)
    assert len(key) <= KEY_LIMIT
    assert (key == "") == (not version.strip())


def test_what_is_longer_is_cut_off() -> None:
    long = "1." * 400
    assert version_key(long + "1") == version_key(long + "2")
    assert version_key("9" * 50) > version_key("8" * 39)


def sign(a: str, b: str) -> int:
    return (a > b) - (a < b)


def compare(a: str, b: str) -> int:
    for one, other in zip(split(a), split(b), strict=True):
        if found := compare_parts(one, other):
            return found
    return 0


def split(version: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"([0-9]+):(.+)", version, re.DOTALL)
    epoch, rest = (match[1], match[2]) if match else ("0", version)
    upstream, hyphen, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if hyphen else (epoch, rest, "")


def compare_parts(a: str, b: str) -> int:
    pairs = zip_longest(re.findall(r"([^0-9]*)([0-9]*)", a), re.findall(r"([^0-9]*)([0-9]*)", b), fillvalue=("", ""))
    for (text_a, digits_a), (text_b, digits_b) in pairs:
        for one, other in zip_longest(text_a, text_b):
            if found := order(one) - order(other):
                return 1 if found > 0 else -1
        if found := int(digits_a or 0) - int(digits_b or 0):
            return 1 if found > 0 else -1
    return 0


def order(character: str | None) -> int:
    """As in dpkg's `order()`: the end is 0, "~" less, letters are their numbers, others come after them."""
    if character is None:
        return 0
    if character == "~":
        return -1
    return ord(character) + (0 if character.isascii() and character.isalpha() else 0x200000)
