"""`agentsim simulate`: a world told on the command line, simulated on as many cores as there are sites to share out."""

from __future__ import annotations

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from distd.core.errors import BadInput
from distd.core.records import Dialect
from distd.model import world as worlds
from distd.model.simulate import join, simulate, split
from distd.model.world import Line, Mirror, Package, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distd.model.simulate import Outcome
    from distd.model.world import World

_SITE: Final = re.compile(r"([^:=]{1,64})=(\d{1,8})(?::(.*))?")
_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_FAILURE: Final = re.compile(r"([^:=]{1,64})=(\d{1,8}(?:\.\d+)?)-(\d{1,8}(?:\.\d+)?)")
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def run(world: World, seed: int, processes: int, told: Callable[[float], None] | None = None) -> Outcome:
    """Raises `BadInput`. The outcome is the same for any number of processes."""
    worlds.check(world)
    parts = split(world, processes)
    if len(parts) == 1:
        return simulate(world, seed, told)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(len(parts), mp_context=context) as pool:
        outcomes = list(pool.map(simulate, parts, [seed] * len(parts)))
    return join(world, list(zip(parts, outcomes, strict=True)))


def read_size(text: str, where: str) -> int:
    """Bytes of "252kB", "1MiB", "53000000"."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise BadInput(where, "a size such as 252kB, 1MiB", text)
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()])


def read_package(text: str, fragment_bytes: int) -> Package:
    """ "SIZE" or "SIZE@PRIORITY" or "NAME=SIZE@PRIORITY/FRAGMENT"."""
    name, _, rest = text.rpartition("=")
    size, _, order = rest.partition("@")
    priority, _, fragment = order.partition("/")
    if priority and not priority.isdecimal():
        raise BadInput("--package", "SIZE[@PRIORITY[/FRAGMENT]], such as 53MB@5/1MiB", text)
    length = read_size(fragment, "--package") if fragment else fragment_bytes
    if length < 1:
        raise BadInput("--package", "fragments of a byte or more", text)
    return Package.cut(name or size, int(priority or 5), read_size(size, "--package"), length)


def read_sites(texts: Sequence[str], agents: int, line: str, mirrors: Sequence[str]) -> tuple[Site, ...]:
    """ "NAME=AGENTS[:RATE]"; without any, one site of all agents. `mirrors`: "NAME[=RATE]", sites that have one."""
    if not texts:
        texts = [f"site={agents}"]
    sites = []
    for text in texts:
        match = _SITE.fullmatch(text)
        if match is None:
            raise BadInput("--site", "NAME=AGENTS[:RATE], such as paris=200:4Mbit/s", text)
        sites.append(Site(match[1], int(match[2]), Line.read(match[3] or line, "--site")))
    named = {site.name: number for number, site in enumerate(sites)}
    for text in mirrors:
        name, _, rate = text.partition("=")
        if name not in named:
            raise BadInput("--mirror", "the name of a site", name)
        mirror = Mirror(Line.read(rate, "--mirror"))
        sites[named[name]] = replace(sites[named[name]], mirror=mirror)
    return tuple(sites)


def fail(sites: Sequence[Site], texts: Sequence[str]) -> tuple[Site, ...]:
    """ "NAME=FROM-TO" in hours from the beginning: then that site's mirror is dead."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for text in texts:
        match = _FAILURE.fullmatch(text)
        if match is None or not any(site.name == match[1] and site.mirror for site in sites):
            raise BadInput("--mirror-down", "NAME=FROM-TO (hours) of a site that has a mirror", text)
        spans.setdefault(match[1], []).append((float(match[2]) * 3600, float(match[3]) * 3600))
    return tuple(
        replace(site, mirror=replace(site.mirror, down=tuple(spans[site.name])))
        if site.mirror and site.name in spans
        else site
        for site in sites
    )


def read_dialects(texts: Sequence[str]) -> dict[Dialect, float]:
    """ "unix", or shares: "unix=1", "windows=4"."""
    shares = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            shares[Dialect(name)] = float(share or 1)
        except ValueError:
            expected = f"{', '.join(Dialect)}, or shares such as unix=1 windows=4"
            raise BadInput("--dialect", expected, text) from None
    return shares
