"""How much of a new version a mirror with the old one has to fetch: by plan, for two releases of a real wheel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distd.domain.fragment_plan import ByContent, BySize, text_of
from distd.domain.package_spec import PackageSpec
from distd.domain.records import Action, OperatingSystem
from distd.origin.installation import create_installation
from distd.packaging import builder
from distd.storage import pki

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distd.domain.fragment_plan import Plan
    from distd.domain.records import Manifest
    from distd.storage import data_dir

# A wheel of some 8 MB in 3,000 files, of which a bug-fix release changes a few.
WHEEL = "django"
VERSIONS = "5.2.7", "5.2.8"
PLANS: tuple[Plan, ...] = (BySize(65_536), ByContent(65_536), ByContent(16_384))


@dataclass(frozen=True, slots=True)
class Similarity:
    """Of the `size_bytes` of version 2, `new_bytes` are in fragments that version 1 does not have."""

    name: str
    plan: str
    size_bytes: int
    new_bytes: int


def measure_similarity(folder: Path) -> list[Similarity]:
    """Both releases, packed as distd packs folders for Windows and for Linux, and the wheels as they are."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        data = create_installation(Path(made) / "data", ["localhost"])
        wheels = [_download(version, Path(made)) for version in VERSIONS]
        return list(_measure(data, wheels))


def _measure(data: data_dir.DataDir, wheels: list[Path]) -> Iterator[Similarity]:
    kinds = {"zip": OperatingSystem.WINDOWS, "tar.gz": OperatingSystem.LINUX}
    for kind, system in kinds.items():
        for plan in PLANS:
            old, new = (_cut(data, wheel.with_suffix(""), system, plan) for wheel in wheels)
            known = {fragment.blake3 for fragment in old.fragments}
            new_bytes = sum(fragment.length for fragment in new.fragments if fragment.blake3 not in known)
            yield Similarity(f"{WHEEL} {' → '.join(VERSIONS)}, {kind}", text_of(plan), new.size, new_bytes)


def _cut(data: data_dir.DataDir, source: Path, system: OperatingSystem, plan: Plan) -> Manifest:
    target = "C:\\x" if system is OperatingSystem.WINDOWS else "/x"
    package = builder.check(source, PackageSpec(system, 5, Action.STORE, target, plan))
    with builder.build(data, "17", package, pki.load_signer(data.keys)) as staged:
        return staged.manifest


def _download(version: str, folder: Path) -> Path:
    """The wheel, which is also unpacked into a folder beside it."""
    target = folder / version
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", target, f"{WHEEL}=={version}"], check=True)
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.with_suffix(""))
    return wheel
