"""Which system a computer has, by what its agent says of it, and whether a package is for it."""

from __future__ import annotations

from typing import Final

from distd.domain.records import Dialect, OperatingSystem

# A part of the OSNAME of an inventory, in small letters.
_NAMES: Final = {
    "windows": OperatingSystem.WINDOWS,
    "mac os": OperatingSystem.MACOS,
    "macos": OperatingSystem.MACOS,
    "darwin": OperatingSystem.MACOS,
    "linux": OperatingSystem.LINUX,
    "bsd": OperatingSystem.OTHER,
    "solaris": OperatingSystem.OTHER,
    "sunos": OperatingSystem.OTHER,
    "aix": OperatingSystem.OTHER,
    "hp-ux": OperatingSystem.OTHER,
}


def system_of(user_agent: str, os_name: str) -> OperatingSystem | None:
    """The system of a computer, by its agent's User-Agent and the OSNAME of its inventory. None: not known.

    Debian's agent says "Debian GNU/Linux 12", others only the name of the distribution: "Ubuntu 24.04".
    """
    name = os_name.lower()
    for part, system in _NAMES.items():
        if part in name:
            return system
    if Dialect.of_user_agent(user_agent) is Dialect.WINDOWS:
        return OperatingSystem.WINDOWS
    if "MACOS" in user_agent.upper():
        return OperatingSystem.MACOS
    return OperatingSystem.LINUX if name else None


def is_for(package_os: str, user_agent: str, os_name: str) -> bool:
    """Whether a package is for a computer; so is any package where the system is not known, but for the kind of agent.

    A package for OTHER is for any system.
    """
    if package_os == OperatingSystem.OTHER:
        return True
    system = system_of(user_agent, os_name)
    if system is None:
        return package_os != OperatingSystem.WINDOWS or not user_agent
    return package_os == system
