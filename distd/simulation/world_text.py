"""Packages, sites, lines, mirrors, dialects and goals of a simulation, as people write them on a command line."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.fragment_plan import DEFAULT_FRAGMENT_BYTES, MAX_FRAGMENTS
from distd.domain.records import Dialect
from distd.domain.units import parse_deadline, parse_rate, parse_share, parse_size
from distd.simulation.records import Goal
from distd.simulation.world import Line, Mirror, Package, Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

DEFAULT_PRIORITY: Final = 5
MAX_BYTES: Final = 10**15
_PACKAGE: Final = re.compile(r"(?:([^=@/]{1,64})=)?([^=@/]+)(?:@(\d{1,3}))?(?:/([^=@/]+))?")
_SITE: Final = re.compile(r"([^:=]{1,64})=(\d{1,8})(?::(.*))?")
_FAILURE: Final = re.compile(r"([^:=]{1,64})=(\d{1,8}(?:\.\d+)?)-(\d{1,8}(?:\.\d+)?)")


def read_package(text: str) -> Package:
    """ "SIZE", "SIZE@PRIORITY", "NAME=SIZE@PRIORITY/FRAGMENT". Raises `BadInput`."""
    match = _PACKAGE.fullmatch(text)
    if match is None:
        raise BadInput("packages", "[NAME=]SIZE[@PRIORITY][/FRAGMENT], such as editor=53MB@5/1MiB", text)
    name, size, priority, fragment = match.groups()
    size_bytes = parse_size(size, "packages")
    if size_bytes > MAX_BYTES:
        raise BadInput("packages", f"at most {MAX_BYTES // 10**12} TB", size)
    fragment_bytes = parse_size(fragment, "packages") if fragment else DEFAULT_FRAGMENT_BYTES
    if not 0 < fragment_bytes <= size_bytes * MAX_FRAGMENTS or size_bytes > fragment_bytes * MAX_FRAGMENTS:
        raise BadInput("packages", f"1 to {MAX_FRAGMENTS} fragments", text)
    return Package.from_sizes(
        name or size.strip(), DEFAULT_PRIORITY if priority is None else int(priority), size_bytes, fragment_bytes
    )


def read_packages(texts: Sequence[str]) -> tuple[Package, ...]:
    """Packages as `read_package` has them. Raises `BadInput`, also for two of the same name."""
    packages = tuple(read_package(text) for text in texts)
    if len({package.id for package in packages}) < len(packages):
        raise BadInput("packages", "names that differ, such as first=1MB second=1MB", " ".join(texts))
    return packages


def read_sites(texts: Sequence[str], agents: int, line: str) -> tuple[Site, ...]:
    """ "NAME=AGENTS[:LINE]"; without any, one site of all agents. `line`: for sites without one of their own."""
    if not texts:
        return (Site("site", agents, Line.read(line, "line")),)
    sites = tuple(_site(text, line) for text in texts)
    if not sum(site.agents for site in sites):
        raise BadInput("sites", "at least one agent in all", " ".join(texts))
    return sites


def _site(text: str, line: str) -> Site:
    match = _SITE.fullmatch(text)
    if match is None:
        raise BadInput("sites", "NAME=AGENTS[:LINE], such as paris=200:4Mbit/s", text)
    own = match[3]
    return Site(match[1], int(match[2]), Line.read(line, "line") if own is None else Line.read(own, "sites"))


def with_mirrors(sites: Sequence[Site], mirrors: Sequence[str], failures: Sequence[str]) -> tuple[Site, ...]:
    """Sites with their mirrors.

    `mirrors`: "SITE[=LINE]". `failures`: "SITE=FROM-TO", in hours from the beginning, when the mirror is down.
    """
    named = {site.name: site for site in sites}
    for text in mirrors:
        name, _, line = text.partition("=")
        if name not in named:
            raise BadInput("mirrors", "the name of a site", name)
        named[name] = replace(named[name], mirror=Mirror(Line.read(line, "mirrors")))
    for text in failures:
        match = _FAILURE.fullmatch(text)
        mirror = named[match[1]].mirror if match and match[1] in named else None
        if match is None or mirror is None or float(match[2]) >= float(match[3]):
            raise BadInput("mirror_down", "SITE=FROM-TO, in hours, of a site that has a mirror", text)
        span = (float(match[2]) * 3600, float(match[3]) * 3600)
        named[match[1]] = replace(named[match[1]], mirror=replace(mirror, down=(*mirror.down, span)))
    return tuple(named[site.name] for site in sites)


def read_dialects(texts: Sequence[str]) -> Mapping[Dialect, float]:
    """ "unix", or shares: "unix=1", "windows=4". Raises `BadInput`."""
    shares = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            shares[Dialect(name)] = float(share or 1)
        except ValueError:
            expected = f"{', '.join(Dialect)}, or shares such as unix=1 and windows=4"
            raise BadInput("dialects", expected, text) from None
    if any(not 0 <= share < 1e9 for share in shares.values()) or not sum(shares.values()):
        raise BadInput("dialects", "shares that are not negative, and not all 0", " ".join(texts))
    return shares


def read_goal(by: str | None, share: str, most: str | None, now: datetime) -> Goal | None:
    """A goal from the values of --by, --share and --most; None: without --by there is none.

    `now`: local time, naive. Raises `BadInput`.
    """
    if by is None:
        if most is not None:
            raise BadInput("most", "a time, --by, beside it", most)
        return None
    wanted = parse_share(share, "share")
    if not wanted:
        raise BadInput("share", "more than 0%", share)
    max_bytes_per_s = math.inf if most is None else parse_rate(most, "most")
    return Goal(wanted, parse_deadline(by, "by", now), max_bytes_per_s)
