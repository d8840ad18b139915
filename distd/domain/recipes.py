"""Recipes: the action and the command line that an installer, a script or a list of packages needs.

A recipe gives what `package build` would otherwise have to be told: system, action, command line, and how the lines of
a script must end. The command lines for silent installation are those of the installers' own documentation.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

from distd.domain.errors import BadInput
from distd.domain.records import Action, OperatingSystem

CRLF: Final = b"\r\n"
LF: Final = b"\n"

_UNIX: Final = (OperatingSystem.LINUX, OperatingSystem.MACOS, OperatingSystem.OTHER)
_WINDOWS: Final = (OperatingSystem.WINDOWS,)
_LINUX: Final = (OperatingSystem.LINUX,)
_MACOS: Final = (OperatingSystem.MACOS,)

# The name of a package of apt or yum, which a version or an architecture may follow.
_PACKAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~=*-]{0,199}")
_PRODUCT: Final = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How packages of one kind are built.

    `command` contains {file} and {arguments}, or {names}. `suffixes`: of the file that it needs; none: no file.
    `names`, `names_are`: what the arguments must be where they are names, and how to say it.
    """

    name: str
    meaning: str
    systems: tuple[OperatingSystem, ...]
    action: Action
    command: str
    suffixes: tuple[str, ...] = ()
    line_ends: bytes | None = None
    names: re.Pattern[str] | None = None
    names_are: str = ""

    def matches(self, file_name: str) -> bool:
        """Whether it can take such a file."""
        return file_name.lower().endswith(self.suffixes)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a recipe gives. `line_ends`: how the lines of the file must end; None: the file is not changed."""

    os: OperatingSystem
    action: Action
    target: str
    line_ends: bytes | None


_DEBIAN: Final = "names of Debian packages, such as `vim curl=8.*`"
_RPM: Final = "names of RPM packages, such as `vim-enhanced`"
_CODE: Final = "one product code, such as {5A3E2C1B-0000-4000-8000-0123456789AB}"

_MSI: Final = "msiexec.exe /i {file} /qn /norestart {arguments}"
_POWERSHELL: Final = "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File {file} {arguments}"
_BATCH: Final = "cmd.exe /d /c call {file} {arguments}"
_SHELL: Final = "{shell} ./{file} {arguments}"
_OSASCRIPT: Final = "osascript ./{file} {arguments}"
_AGENT: Final = "{plain} /S /NOSPLASH /UPGRADE /NP {arguments}"
_UNINSTALL: Final = "msiexec.exe /x {names} /qn /norestart"
_APT: Final = "DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet "
_YUM: Final = "yum --assumeyes --quiet "


def _installer(name: str, meaning: str, action: Action, command: str, suffix: str) -> Recipe:
    return Recipe(name, meaning, _WINDOWS, action, command, (suffix,))


def _script(
    name: str, meaning: str, systems: tuple[OperatingSystem, ...], command: str, suffixes: tuple[str, ...], ends: bytes
) -> Recipe:
    return Recipe(name, meaning, systems, Action.EXECUTE, command, suffixes, ends)


def _command(
    name: str, meaning: str, systems: tuple[OperatingSystem, ...], command: str, names: re.Pattern[str], are: str
) -> Recipe:
    return Recipe(name, meaning, systems, Action.EXECUTE, command, names=names, names_are=are)


TABLE: Final = {
    recipe.name: recipe
    for recipe in (
        _installer("msi", "install a Windows Installer package, without a restart", Action.EXECUTE, _MSI, ".msi"),
        _installer("exe", "run an installer, with its own switches", Action.LAUNCH, "{plain} {arguments}", ".exe"),
        _installer("agent-setup", "update the Windows agent with its own setup", Action.LAUNCH, _AGENT, ".exe"),
        _script("powershell", "run a PowerShell script", _WINDOWS, _POWERSHELL, (".ps1",), CRLF),
        _script("batch", "run a batch file", _WINDOWS, _BATCH, (".bat", ".cmd"), CRLF),
        _script("shell", "run a shell script", _UNIX, _SHELL, (".sh", ".bash"), LF),
        _script("applescript", "run an AppleScript", _MACOS, _OSASCRIPT, (".applescript",), LF),
        _command("msi-uninstall", "uninstall by the product code", _WINDOWS, _UNINSTALL, _PRODUCT, _CODE),
        _command("apt-install", "install Debian packages", _LINUX, _APT + "install {names}", _PACKAGE, _DEBIAN),
        _command("apt-remove", "remove Debian packages", _LINUX, _APT + "remove {names}", _PACKAGE, _DEBIAN),
        _command("yum-install", "install RPM packages", _LINUX, _YUM + "install {names}", _PACKAGE, _RPM),
        _command("yum-remove", "remove RPM packages", _LINUX, _YUM + "remove {names}", _PACKAGE, _RPM),
    )
}


def prepare(name: str, system: OperatingSystem | None, file_name: str | None, arguments: str) -> Prepared:
    """What the recipe `name` gives for a file and its arguments, or for names.

    `system` None: the first one that the recipe is for. Raises `BadInput` that names the option.
    """
    recipe = TABLE.get(name)
    if recipe is None:
        raise BadInput("recipe", f"one of {', '.join(TABLE)}", name)
    if system is not None and system not in recipe.systems:
        raise BadInput("os", f"{' or '.join(recipe.systems)} with the recipe {name}", system)
    if any(ord(character) < 32 for character in arguments):
        raise BadInput("arguments", "one line", arguments)
    values = _of_names(recipe, file_name, arguments) if recipe.names else _of_file(recipe, file_name, arguments)
    target = recipe.command.format(**values).strip()
    return Prepared(system or recipe.systems[0], recipe.action, target, recipe.line_ends)


def _of_names(recipe: Recipe, file_name: str | None, arguments: str) -> dict[str, str]:
    assert recipe.names is not None
    if file_name is not None:
        raise BadInput("source", f"none with the recipe {recipe.name}", file_name)
    names = arguments.split()
    if not names or not all(recipe.names.fullmatch(text) for text in names):
        raise BadInput("arguments", recipe.names_are, arguments)
    # An asterisk is for the package manager, not for the shell.
    return {"names": " ".join(shlex.quote(text) if recipe.systems == _LINUX else text for text in names)}


def _of_file(recipe: Recipe, file_name: str | None, arguments: str) -> dict[str, str]:
    if file_name is None or not recipe.matches(file_name):
        raise BadInput(
            "source", f"a file named *{' or *'.join(recipe.suffixes)} with the recipe {recipe.name}", file_name
        )
    windows = recipe.systems == _WINDOWS
    return {
        "file": f'"{file_name}"' if windows else shlex.quote(file_name),
        "plain": file_name,
        "shell": "bash" if file_name.lower().endswith(".bash") else "sh",
        "arguments": arguments,
    }


def with_line_ends(script: bytes, line_ends: bytes) -> bytes:
    """A script whose lines end as its interpreter needs it. UTF-16, which Windows editors write, is not changed."""
    if script.startswith((b"\xff\xfe", b"\xfe\xff")):
        return script
    return script.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", line_ends)
