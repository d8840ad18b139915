"""Which system a computer has, and which packages are for it."""

from __future__ import annotations

import pytest

from distd.domain.records import OperatingSystem
from distd.domain.systems import is_for, system_of

UNIX, WINDOWS = "OCS-NG_unified_unix_agent_v2.10.0", "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
MAC = "Ocsinventory-Agent MACOS v2.10"
L, W, M, O = OperatingSystem.LINUX, OperatingSystem.WINDOWS, OperatingSystem.MACOS, OperatingSystem.OTHER  # noqa: E741


@pytest.mark.parametrize(
    ("user_agent", "os_name", "system"),
    [
        (UNIX, "Debian GNU/Linux 12", L),
        (UNIX, "Ubuntu 24.04", L),
        (UNIX, "", None),
        (UNIX, "FreeBSD", O),
        (UNIX, "SunOS", O),
        (UNIX, "macOS 15", M),
        (UNIX, "Mac OS X", M),
        (MAC, "", M),
        (WINDOWS, "Microsoft Windows 11 Pro", W),
        (WINDOWS, "", W),
        ("", "Microsoft Windows 11 Pro", W),
        ("distd-agent/0.1", "Debian GNU/Linux 12", L),
        ("", "", None),
    ],
)
def test_system(user_agent: str, os_name: str, system: OperatingSystem | None) -> None:
    assert system_of(user_agent, os_name) is system


@pytest.mark.parametrize(
    ("package_os", "user_agent", "os_name", "expected"),
    [
        ("WINDOWS", WINDOWS, "", True),
        ("WINDOWS", UNIX, "Debian", False),
        ("WINDOWS", UNIX, "", False),
        ("WINDOWS", "", "", True),
        ("LINUX", UNIX, "", True),
        ("LINUX", UNIX, "Debian", True),
        ("LINUX", WINDOWS, "", False),
        ("LINUX", UNIX, "macOS 15", False),
        ("MACOS", UNIX, "macOS 15", True),
        ("MACOS", UNIX, "", True),
        ("OTHER", WINDOWS, "Windows", True),
        ("OTHER", UNIX, "Debian", True),
    ],
)
def test_what_a_package_is_for(package_os: str, user_agent: str, os_name: str, expected: bool) -> None:
    assert is_for(package_os, user_agent, os_name) is expected
