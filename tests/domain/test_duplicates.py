"""Serial numbers and MACs that say nothing."""

from __future__ import annotations

import pytest

from distd.domain.duplicates import is_telling_mac, is_telling_serial
from distd.domain.folding import fold


@pytest.mark.parametrize(
    "serial",
    ["To be filled by O.E.M.", "Default string", "N/A", "0000000000", "System Serial Number", "", "123", "none"],
)
def test_serials_that_say_nothing(serial: str) -> None:
    assert not is_telling_serial(fold(serial))


@pytest.mark.parametrize("serial", ["ABC1234", "5CG8471XYZ", "VMware-56 4d 8e 1f"])
def test_serials_that_say_something(serial: str) -> None:
    assert is_telling_serial(fold(serial))


@pytest.mark.parametrize(
    ("mac", "tells"),
    [
        ("00:00:00:00:00:00", False),
        ("", False),
        ("00:e0:4c:68:00:01", False),
        ("02:42:ac:11:00:02", False),
        ("52:54:00:12:34:56", True),
    ],
)
def test_macs(mac: str, tells: bool) -> None:
    assert is_telling_mac(mac) is tells
