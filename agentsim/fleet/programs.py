"""Installed software of computers that do not exist: shares and versions such as a large site has.

Few programs are on most computers, and most on few (the law of Zipf and Mandelbrot). Computers of one image have most
of their software in common; each has some of its own, in a version of its own.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Program(NamedTuple):
    """A line of an inventory's software."""

    name: str
    version: str
    publisher: str


NAMES: Final = 3000  # of each kind of system
IMAGES: Final = 64
OWN_SHARE: Final = 5  # one line of so many is not of the image
VERSIONS: Final = 8  # of a program that are in use
# What is on most computers, the most frequent first.
_KNOWN: Final = (
    ("Mozilla Firefox", "Mozilla"),
    ("7-Zip", "Igor Pavlov"),
    ("LibreOffice", "The Document Foundation"),
    ("VLC media player", "VideoLAN"),
    ("Google Chrome", "Google LLC"),
    ("Mozilla Thunderbird", "Mozilla"),
    ("Notepad++", "Notepad++ Team"),
    ("PuTTY", "Simon Tatham"),
    ("GIMP", "The GIMP Team"),
    ("Inkscape", "Inkscape"),
    ("GeoGebra", "International GeoGebra Institute"),
    ("OpenJDK", "Eclipse Adoptium"),
    ("Python", "Python Software Foundation"),
    ("Git", "The Git Development Community"),
    ("KeePassXC", "KeePassXC Team"),
    ("WinSCP", "Martin Prikryl"),
    ("FileZilla", "Tim Kosse"),
    ("Audacity", "Audacity Team"),
    ("Blender", "Blender Foundation"),
    ("Wireshark", "The Wireshark developer community"),
)
_WORDS: Final = "net print font scan media office image audio video data cloud mail web code text map chem math zip"
_ENDS: Final = "Studio Viewer Editor Driver Tools Client Manager Runtime Helper Pack Suite Player Agent Reader Service"
_FLATNESS: Final = 25  # of 80 lines, the most frequent program is on half of the computers
_BOUNDS: Final = list(accumulate(1 / (rank + _FLATNESS) for rank in range(NAMES)))


def programs(seed: int, kind: str, number: int, lines: int) -> tuple[Program, ...]:
    """What is installed on computer `number`; `kind` is that of its system: "windows" or "unix"."""
    draw = random.Random(f"{seed} {kind} {number} software")
    image = _image(seed, kind, draw.randrange(IMAGES), lines - lines // OWN_SHARE)
    found = {program.name: program for program in image}
    while len(found) < lines:
        rank = _rank(draw)
        name = name_of(kind, rank)
        found.setdefault(name, _program(seed, kind, rank, draw))
    return tuple(found.values())


def name_of(kind: str, rank: int) -> str:
    """The name of the program of that rank, from 0. A package of Unix is in small letters, without spaces."""
    name = _KNOWN[rank][0] if rank < len(_KNOWN) else _made_up(rank)
    return name.lower().replace(" ", "-") if kind == "unix" else name


def _made_up(rank: int) -> str:
    words, ends = _WORDS.split(), _ENDS.split()
    first, rest = rank % len(words), rank // len(words)
    second, third = rest % len(ends), rest // len(ends)
    return f"{words[first].capitalize()} {ends[second]} {third}"


@lru_cache(maxsize=4 * IMAGES)
def _image(seed: int, kind: str, number: int, lines: int) -> Sequence[Program]:
    draw = random.Random(f"{seed} {kind} image {number}")
    found: dict[int, Program] = {}
    while len(found) < lines:
        rank = _rank(draw)
        found.setdefault(rank, _program(seed, kind, rank, draw))
    return tuple(found.values())


def _rank(draw: random.Random) -> int:
    return bisect_right(_BOUNDS, draw.random() * _BOUNDS[-1])


def _program(seed: int, kind: str, rank: int, draw: random.Random) -> Program:
    """In one of its versions, the newest being the most frequent."""
    newest = int(random.Random(f"{seed} {rank} version").random() * 100) + VERSIONS
    age = min(int(draw.expovariate(0.8)), VERSIONS - 1)
    publisher = _KNOWN[rank][1] if rank < len(_KNOWN) else f"The {_made_up(rank)} project"
    if kind == "unix":
        return Program(name_of(kind, rank), f"{newest - age}.{rank % 17}.{rank % 7}-{1 + rank % 4}+deb12u{age}", "")
    return Program(name_of(kind, rank), f"{newest - age}.{rank % 17}.{rank % 1000}", publisher)
