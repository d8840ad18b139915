"""Worlds told in words: packages, sites, lines, mirrors, dialects and times, as people write them on a command line."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from distd.domain import bandwidth
from distd.domain.bandwidth import Rule
from distd.domain.errors import BadInput
from distd.domain.fragment_plan import DEFAULT_FRAGMENT_BYTES, MAX_FRAGMENTS, parse_duration, parse_size
from distd.domain.records import Dialect
from distd.simulation.goals import Goal
from distd.simulation.world import Line, Mirror, Package, Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_PRIORITY: Final = 5
MOST_BYTES: Final = 10**15
_PACKAGE: Final = re.compile(r"(?:([^=@/]{1,64})=)?([^=@/]+)(?:@(\d{1,3}))?(?:/([^=@/]+))?")
_SITE: Final = re.compile(r"([^:=]{1,64})=(\d{1,8})(?::(.*))?")
_FAILURE: Final = re.compile(r"([^:=]{1,64})=(\d{1,8}(?:\.\d+)?)-(\d{1,8}(?:\.\d+)?)")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_OF_WEEK: Final = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*(?: (\d{1,2})(?::(\d\d))?)?")
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%")
_DATES: Final = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def read_package(text: str) -> Package:
    """ "SIZE", "SIZE@PRIORITY", "NAME=SIZE@PRIORITY/FRAGMENT". Raises `BadInput`."""
    match = _PACKAGE.fullmatch(text)
    if match is None:
        raise BadInput("--package", "[NAME=]SIZE[@PRIORITY][/FRAGMENT], such as editor=53MB@5/1MiB", text)
    name, size, priority, fragment = match.groups()
    size_bytes = parse_size(size, "--package")
    if size_bytes > MOST_BYTES:
        raise BadInput("--package", f"at most {MOST_BYTES // 10**12} TB", size)
    fragment_bytes = parse_size(fragment, "--package") if fragment else DEFAULT_FRAGMENT_BYTES
    if not 0 < fragment_bytes <= size_bytes * MAX_FRAGMENTS or size_bytes > fragment_bytes * MAX_FRAGMENTS:
        raise BadInput("--package", f"1 to {MAX_FRAGMENTS} fragments", text)
    return Package.cut(
        name or size.strip(), DEFAULT_PRIORITY if priority is None else int(priority), size_bytes, fragment_bytes
    )


def read_packages(texts: Sequence[str]) -> tuple[Package, ...]:
    """Raises `BadInput`, also for two of one name."""
    packages = tuple(read_package(text) for text in texts)
    if len({one.id for one in packages}) < len(packages):
        raise BadInput("--package", "names that differ, such as first=1MB second=1MB", " ".join(texts))
    return packages


def read_sites(texts: Sequence[str], agents: int, line: str) -> tuple[Site, ...]:
    """ "NAME=AGENTS[:LINE]"; without any, one site of all agents. `line`: that of sites that name none."""
    if not texts:
        return (Site("site", agents, Line.read(line, "--line")),)
    return tuple(_site(text, line) for text in texts)


def _site(text: str, line: str) -> Site:
    match = _SITE.fullmatch(text)
    if match is None:
        raise BadInput("--site", "NAME=AGENTS[:LINE], such as paris=200:4Mbit/s", text)
    own = match[3]
    return Site(match[1], int(match[2]), Line.read(line, "--line") if own is None else Line.read(own, "--site"))


def with_mirrors(sites: Sequence[Site], mirrors: Sequence[str], failures: Sequence[str]) -> tuple[Site, ...]:
    """`mirrors`: "SITE[=LINE]". `failures`: "SITE=FROM-TO", in hours from the beginning: then it is dead."""
    named = {site.name: site for site in sites}
    for text in mirrors:
        name, _, line = text.partition("=")
        if name not in named:
            raise BadInput("--mirror", "the name of a site", name)
        named[name] = replace(named[name], mirror=Mirror(Line.read(line, "--mirror")))
    for text in failures:
        match = _FAILURE.fullmatch(text)
        mirror = named[match[1]].mirror if match and match[1] in named else None
        if match is None or mirror is None or float(match[2]) >= float(match[3]):
            raise BadInput("--mirror-down", "SITE=FROM-TO, in hours, of a site that has a mirror", text)
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
            raise BadInput("--dialect", expected, text) from None
    if any(not 0 <= share < 1e9 for share in shares.values()) or not sum(shares.values()):
        raise BadInput("--dialect", "shares that are not negative, and not all 0", " ".join(texts))
    return shares


def read_start(text: str) -> int:
    """Minutes after Monday 0:00 of "wed", "wed 8", "wed 8:30". Raises `BadInput`."""
    minutes = _minute_of_week(text)
    if minutes is None:
        raise BadInput("--start", "a day and a time such as mon 8:30", text)
    return minutes


def read_by(text: str, now: datetime) -> float:
    """Seconds from `now` to "fri 18:00" (the next one), "2026-11-27 18:00", or of "3d". `now` is local time, naive:
    between it and then the clocks may be changed. Raises `BadInput` for what is none of these, or not after now."""
    minutes = _minute_of_week(text)
    if minutes is not None:
        monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
        then = monday + timedelta(minutes=minutes)
        return _apart_s(now, then if then > now else then + timedelta(days=7))
    for form in _DATES:
        try:
            then = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - local, as `now` is
        except ValueError:
            continue
        if then <= now:
            raise BadInput("--by", "a time that is yet to come", text)
        return _apart_s(now, then)
    try:
        return parse_duration(text, "--by")
    except BadInput:
        raise BadInput("--by", "a time such as fri 18:00, 2026-11-27 18:00 or 3d", text) from None


def _apart_s(now: datetime, then: datetime) -> float:
    return then.timestamp() - now.timestamp()


def read_share(text: str, where: str) -> float:
    """0 to 1, of "0%" to "100%". Raises `BadInput` that names `where`."""
    match = _SHARE.fullmatch(text.strip())
    if match is None or float(match[1]) > 100:
        raise BadInput(where, "a share such as 5%", text)
    return float(match[1]) / 100


def read_goal(by: str | None, share: str, most: str | None, now: datetime) -> Goal | None:
    """`most`: a rate. `now`: local time, naive. None: no time is given, so there is no goal. Raises `BadInput`."""
    if by is None:
        if most is not None:
            raise BadInput("--most", "a time, --by, beside it", most)
        return None
    rules = () if most is None else bandwidth.parse(most, "--most")
    if most is not None and rules != (Rule(most.strip(), rules[0].bytes_per_s if rules else 0.0),):
        raise BadInput("--most", "one rate and nothing else, such as 5MB/s", most)
    wanted = read_share(share, "--share")
    if not wanted:
        raise BadInput("--share", "more than 0%", share)
    return Goal(wanted, read_by(by, now), rules[0].bytes_per_s if rules else math.inf)


def _minute_of_week(text: str) -> int | None:
    match = _OF_WEEK.fullmatch(text.strip().lower())
    hour, minute = (int(match[2] or 0), int(match[3] or 0)) if match else (99, 99)
    if match is None or hour > 23 or minute > 59:
        return None
    return _DAYS.index(match[1]) * 1440 + hour * 60 + minute
