"""Debian's slapd in the foreground, from a folder of its own, on free loopback ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.programs.processes import child, find_program, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BASE: Final = "dc=example,dc=org"
ADMIN: Final = f"cn=admin,{BASE}"
ADMIN_PASSWORD: Final = "of the service"
CONFIGURATION: Final = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind=128
database mdb
maxsize 10485760
directory {folder}/db
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
index objectClass eq
"""


@dataclass(frozen=True, slots=True)
class Slapd:
    """URLs of a directory: by TLS, and plain for StartTLS."""

    ldaps: str
    ldap: str


def executable() -> str | None:
    """The path of slapd; None where it is not installed."""
    return find_program("slapd")


@contextlib.asynccontextmanager
async def slapd(folder: Path, entries: str, ca: Path, certificate: Path, key: Path) -> AsyncIterator[Slapd]:
    """A directory with these entries (LDIF) for as long as the block lasts; `folder` is made here.

    A copy of the program runs: what AppArmor allows Debian's own does not include `folder`.
    """
    installed = executable()
    assert installed is not None, "slapd is not installed"
    (folder / "db").mkdir(parents=True)
    program = folder / "directory"
    shutil.copy(installed, program)
    values = {"base": BASE, "admin": ADMIN, "password": ADMIN_PASSWORD}
    text = CONFIGURATION.format(folder=folder, ca=ca, certificate=certificate, key=key, **values)
    (folder / "slapd.conf").write_text(text)
    (folder / "entries.ldif").write_text(entries)
    environment = {"PATH": os.defpath}
    add = [str(program), "-T", "add", "-f", str(folder / "slapd.conf"), "-l", str(folder / "entries.ldif")]
    subprocess.run(add, check=True, env=environment, capture_output=True)
    ports = _free_ports()
    urls = [f"ldaps://localhost:{ports[0]}", f"ldap://localhost:{ports[1]}"]
    command = [str(program), "-d", "0", "-f", str(folder / "slapd.conf"), "-h", " ".join(urls)]
    async with child(command, folder / "log", env=environment):
        for port in ports:
            await wait_until_listening("localhost", port)
        yield Slapd(*urls)


def _free_ports() -> list[int]:
    """Two ports of this machine on which nobody listens now."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]
