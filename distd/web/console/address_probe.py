"""The addresses of an activation by hand, asked as an agent would: do they answer, does the certificate fit, are info
and fragment those of the package?

Error handling: what does not work is a finding, not an error. Each question has `LIMIT_S`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import trio
from blake3 import blake3

from distd.domain.errors import DistdError, TooLarge, Unavailable
from distd.domain.mirror_rules import has_variables
from distd.lane.client.http_client import open_client

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.records import Manifest
    from distd.lane.client.http_client import Client

LIMIT_S: Final = 8.0
MAX_INFO_BYTES: Final = 262_144
MAX_FRAGMENT_BYTES: Final = 67_108_864  # of a larger one only the length is looked at
UNTRUSTED: Final = "certificate"  # in what the client says of a certificate


class Finding(StrEnum):
    """What is said of an address."""

    ANSWERS = "ANSWERS"
    SILENT = "SILENT"  # no connection, no HTTP
    STATUS = "STATUS"  # it answers with an error: it does not have the package
    CERTIFICATE_FITS = "CERTIFICATE_FITS"
    CERTIFICATE_BAD = "CERTIFICATE_BAD"
    SAME = "SAME"  # info or fragment is that of the package
    OTHER = "OTHER"
    SAME_LENGTH = "SAME_LENGTH"  # of a fragment too large to be looked at
    VARIABLES = "VARIABLES"  # $IP$ or $NAME$: another server for each agent


GOOD: Final = frozenset(
    {Finding.ANSWERS, Finding.CERTIFICATE_FITS, Finding.SAME, Finding.SAME_LENGTH, Finding.VARIABLES}
)


@dataclass(frozen=True, slots=True)
class AddressFinding:
    """A finding. `detail`: more, in the words of the program that said it."""

    finding: Finding
    detail: str = ""

    @property
    def is_good(self) -> bool:
        """Whether agents can go on."""
        return self.finding in GOOD


@dataclass(frozen=True, slots=True)
class Probed:
    """An address that was asked for, and what was found."""

    url: str
    found: tuple[AddressFinding, ...]

    @property
    def is_good(self) -> bool:
        """Whether agents get what they need there."""
        return all(one.is_good for one in self.found)


async def probe(info_server: str, fragment_server: str, manifest: Manifest, ca_certificate: Path) -> list[Probed]:
    """Both addresses ("host[:port]/path") at once; an empty one is not asked."""
    found: dict[int, Probed] = {}
    package_id = manifest.package_id

    async def ask_info() -> None:
        found[0] = await _probe_info(f"https://{info_server}/{package_id}/info", manifest, ca_certificate)

    async def ask_fragment() -> None:
        found[1] = await _probe_fragment(f"http://{fragment_server}/{package_id}/{package_id}-1", manifest)

    async with trio.open_nursery() as nursery:
        if info_server:
            nursery.start_soon(ask_info)
        if fragment_server and manifest.fragments:
            nursery.start_soon(ask_fragment)
    return [found[place] for place in sorted(found)]


async def _probe_info(url: str, manifest: Manifest, ca_certificate: Path) -> Probed:
    """As agents do, that trust the CA of this server alone; where it is not that, whether the rest is right."""
    context = ssl.create_default_context(cafile=str(ca_certificate))
    first = await _ask_info(url, manifest, context)
    if first[0].finding is not Finding.SILENT or UNTRUSTED not in first[0].detail:
        is_there = first[0].finding is not Finding.SILENT
        return Probed(url, (AddressFinding(Finding.CERTIFICATE_FITS), *first) if is_there else first)
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return Probed(
        url, (AddressFinding(Finding.CERTIFICATE_BAD, first[0].detail), *await _ask_info(url, manifest, trusting))
    )


async def _ask_info(url: str, manifest: Manifest, context: ssl.SSLContext) -> tuple[AddressFinding, ...]:
    with trio.move_on_after(LIMIT_S):
        try:
            async with open_client(context) as client:
                answer = await client.request("GET", url, max_body_bytes=MAX_INFO_BYTES, same_host=True)
        except TooLarge:
            return AddressFinding(Finding.ANSWERS), AddressFinding(Finding.OTHER)
        except DistdError as error:
            return (AddressFinding(Finding.SILENT, _why(error)),)
        if answer.status != 200:
            return AddressFinding(Finding.ANSWERS), AddressFinding(Finding.STATUS, str(answer.status))
        is_same = blake3(answer.body).digest() == manifest.info_blake3
        return AddressFinding(Finding.ANSWERS), AddressFinding(Finding.SAME if is_same else Finding.OTHER)
    return (AddressFinding(Finding.SILENT, f"{LIMIT_S:g} s"),)


async def _probe_fragment(url: str, manifest: Manifest) -> Probed:
    if has_variables(url):
        return Probed(url, (AddressFinding(Finding.VARIABLES),))
    found: tuple[AddressFinding, ...] = (AddressFinding(Finding.SILENT, f"{LIMIT_S:g} s"),)
    with trio.move_on_after(LIMIT_S):
        try:
            async with open_client() as client:
                found = await _ask_fragment(client, url, manifest)
        except DistdError as error:
            found = (AddressFinding(Finding.SILENT, _why(error)),)
    return Probed(url, found)


async def _ask_fragment(client: Client, url: str, manifest: Manifest) -> tuple[AddressFinding, ...]:
    """Its bytes, or of a large one the length."""
    first = manifest.fragments[0]
    is_large = first.length > MAX_FRAGMENT_BYTES
    async with client.stream("HEAD" if is_large else "GET", url, same_host=True) as answer:
        if answer.status != 200:
            return AddressFinding(Finding.ANSWERS), AddressFinding(Finding.STATUS, str(answer.status))
        if is_large:
            is_same = answer.headers.get("content-length") == str(first.length)
            return AddressFinding(Finding.ANSWERS), AddressFinding(Finding.SAME_LENGTH if is_same else Finding.OTHER)
        digest, length = blake3(), 0
        async for piece in answer:
            digest.update(piece)
            length += len(piece)
            if length > first.length:
                break
        is_same = (length, digest.digest()) == (first.length, first.blake3)
        return AddressFinding(Finding.ANSWERS), AddressFinding(Finding.SAME if is_same else Finding.OTHER)


def _why(error: DistdError) -> str:
    return error.why if isinstance(error, Unavailable) else str(error)
