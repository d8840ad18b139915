"""Recipes: the command lines they make, what they refuse, and how lines end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.recipes import CRLF, LF, TABLE, Prepared, prepare, with_line_ends
from distd.domain.records import Action, OperatingSystem

W, L, M = OperatingSystem.WINDOWS, OperatingSystem.LINUX, OperatingSystem.MACOS
EXECUTE, LAUNCH = Action.EXECUTE, Action.LAUNCH
GUID = "{5A3E2C1B-0000-4000-8000-0123456789AB}"


@pytest.mark.parametrize(
    ("asked", "prepared"),
    [
        (("msi", None, "Editor 1.msi", "ALLUSERS=1"),
         Prepared(W, EXECUTE, 'msiexec.exe /i "Editor 1.msi" /qn /norestart ALLUSERS=1', None)),
        (("exe", W, "setup.exe", "/S"), Prepared(W, LAUNCH, "setup.exe /S", None)),
        (("powershell", None, "Do.PS1", ""),
         Prepared(W, EXECUTE,
                  'powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File "Do.PS1"', CRLF)),
        (("batch", None, "a.cmd", "1 2"), Prepared(W, EXECUTE, 'cmd.exe /d /c call "a.cmd" 1 2', CRLF)),
        (("shell", None, "it's.sh", "-v"), Prepared(L, EXECUTE, "sh ./'it'\"'\"'s.sh' -v", LF)),
        (("shell", M, "x.bash", ""), Prepared(M, EXECUTE, "bash ./x.bash", LF)),
        (("applescript", None, "x.applescript", ""), Prepared(M, EXECUTE, "osascript ./x.applescript", LF)),
        (("msi-uninstall", None, None, GUID), Prepared(W, EXECUTE, f"msiexec.exe /x {GUID} /qn /norestart", None)),
        (("apt-install", None, None, "vim curl=8.*"),
         Prepared(L, EXECUTE, "DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet install vim 'curl=8.*'", None)),
        (("yum-remove", L, None, "vim-enhanced"),
         Prepared(L, EXECUTE, "yum --assumeyes --quiet remove vim-enhanced", None)),
        (("agent-setup", None, "OCS-Windows-Agent-Setup-x64.exe", "/SERVER=https://h/ocsinventory"),
         Prepared(W, LAUNCH, "OCS-Windows-Agent-Setup-x64.exe /S /NOSPLASH /UPGRADE /NP "
                  "/SERVER=https://h/ocsinventory", None)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_a_recipe_gives(asked: Any, prepared: Any) -> None:
    assert prepare(*asked) == prepared


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (("magic", None, None, ""), "recipe"),
        (("msi", L, "a.msi", ""), "os"),
        (("msi", None, "a.exe", ""), "source"),
        (("msi", None, None, ""), "source"),
        (("apt-install", None, "a.deb", "vim"), "source"),
        (("apt-install", None, None, ""), "arguments"),
        (("apt-install", None, None, "vim; reboot"), "arguments"),
        (("apt-install", None, None, "--reinstall"), "arguments"),
        (("yum-install", None, None, "$(reboot)"), "arguments"),
        (("msi-uninstall", None, None, "Editor"), "arguments"),
        (("exe", None, "a.exe", "/S\n/T"), "arguments"),
    ],
)
def test_what_a_recipe_refuses(asked: Any, field: Any) -> None:
    with pytest.raises(BadInput) as caught:
        prepare(*asked)
    assert caught.value.field == field


@pytest.mark.parametrize("line_ends", [LF, CRLF])
@pytest.mark.parametrize("text", [b"a\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"a\r\nb\n"])
def test_line_ends(text: Any, line_ends: Any) -> None:
    assert with_line_ends(text, line_ends) == b"a" + line_ends + b"b" + line_ends


def test_utf_16_is_not_changed() -> None:
    script = "a\nb\n".encode("utf-16")
    assert with_line_ends(script, CRLF) == script


@given(st.binary(max_size=60), st.sampled_from([LF, CRLF]))
def test_once_is_enough(script: Any, line_ends: Any) -> None:
    once = with_line_ends(script, line_ends)
    assert with_line_ends(once, line_ends) == once


def test_every_recipe_says_what_it_is_for() -> None:
    assert all(recipe.meaning and recipe.systems and recipe.command for recipe in TABLE.values())
