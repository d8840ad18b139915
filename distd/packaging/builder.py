"""Building a package: its source is read, checked, packed, cut and described; each step gets what the last one found.

`check` writes nothing; `build` works in a hidden folder beside the package's final place.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from stat import S_IFREG
from typing import TYPE_CHECKING

from distd.domain import fragment_plan, package_spec, recipes
from distd.domain.errors import BadInput
from distd.domain.fragment_plan import ByContent
from distd.domain.package_spec import SourceKind
from distd.domain.records import Digest, OperatingSystem
from distd.packaging import archive, cdc
from distd.packaging.cutting import NO_FRAGMENTS, cut
from distd.packaging.progress import ProgressMeter
from distd.packaging.source import open_readable, read_source
from distd.storage import atomic, quota
from distd.storage.atomic import map_disk_full
from distd.storage.quota import NO_LIMITS
from distd.storage.staged_package import StagedPackage, sign_description
from distd.wire import ocs_info, xml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from distd.domain.package_spec import PackageSpec
    from distd.packaging.cutting import FragmentSet
    from distd.packaging.progress import Progress
    from distd.packaging.source import Member, Source
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from distd.storage.quota import DiskLimits


@dataclass(frozen=True, slots=True)
class CheckedPackage:
    """A specification and the source that fits it: what `build` takes. `warnings` are for the operator."""

    spec: PackageSpec
    source: Source
    warnings: tuple[str, ...]


def check(path: Path | None, spec: PackageSpec, file_mode: int | None = None) -> CheckedPackage:
    """Read the source at `path` (None: a command without a file), and hold the specification against it. `file_mode`
    is that of a single file in the package; None: as it is on the disk.

    All that can be known before anything is written. Raises `BadInput`.
    """
    check_spec(spec)
    links = spec.os is not OperatingSystem.WINDOWS
    source = read_source(path, links=links, is_script=spec.line_ends is not None)
    if file_mode is not None and source.facts.kind in (SourceKind.FILE, SourceKind.SCRIPT):
        source = replace(source, members=tuple(replace(one, mode=S_IFREG | file_mode) for one in source.members))
    package_spec.check_source(spec, source.facts)
    return CheckedPackage(spec, source, package_spec.warnings(spec, source.facts))


def check_spec(spec: PackageSpec) -> None:
    """Whether the specification can be, and an agent can read the info of such a package. Raises `BadInput`."""
    package_spec.check_values(spec)
    xml.escape(spec.target, "target")
    xml.escape(spec.notify.text, "notify.text")
    xml.escape(spec.notify.done_action_text, "notify.done_action_text")
    # The longest id there is: an info that cannot be read back, being too long say, is none that an agent should get.
    ocs_info.parse(ocs_info.render(package_spec.info_of("0" * 20, spec, 0, b"")))


def build(
    data: DataDir,
    package_id: str,
    package: CheckedPackage,
    signer: Signer,
    progress: Progress | None = None,
    limits: DiskLimits = NO_LIMITS,
) -> StagedPackage:
    """Prepare a package. `progress(done, total)` counts bytes, of the packing and of the cutting.

    Raises `BadInput` when the source changes meanwhile, and `Unavailable` when the disk is full; nothing is left then.
    """
    spec, facts = package.spec, package.source.facts
    quota.check(data, limits, work_bytes=facts.build_bytes, stay_bytes=facts.size_bytes)
    with ExitStack() as stack, map_disk_full():
        folder = stack.enter_context(atomic.building(data.download, package_id))
        if facts.kind is SourceKind.NONE:
            fragments, digest = NO_FRAGMENTS, Digest.MD5
        else:
            with _archive(package, folder, progress) as content:
                fragments, digest = _cut(content, folder, package_id, spec, progress), spec.digest
        info = package_spec.info_of(package_id, spec, len(fragments.fragments), fragments.digest)
        manifest = fragments.manifest(package_id, digest)
        manifest = sign_description(folder, ocs_info.render(info), manifest, signer)
        return StagedPackage(data, folder, manifest, stack.pop_all())


@contextmanager
def _archive(package: CheckedPackage, folder: Path, progress: Progress | None) -> Iterator[Path]:
    """The archive to cut: the source itself, or one made of it in `folder`, which is removed at the end."""
    source = package.source
    if source.facts.is_archive:
        assert source.path is not None
        yield source.path
        return
    packed = folder / ".archive"
    with _members(package, folder) as members:
        archive.pack(members, packed, package.spec.os, progress)
    yield packed
    packed.unlink()


@contextmanager
def _members(package: CheckedPackage, folder: Path) -> Iterator[Sequence[Member]]:
    """What is to be packed; of a script a copy whose lines end as its interpreter wants them, removed at the end."""
    members, line_ends = package.source.members, package.spec.line_ends
    if line_ends is None:
        yield members
        return
    (script,) = members
    with open_readable(script.path) as file:
        content = recipes.with_line_ends(file.read(), line_ends)
    copy = folder / ".script"
    copy.write_bytes(content)
    yield [replace(script, path=copy, size_bytes=len(content))]
    copy.unlink()


def _cut(content: Path, folder: Path, package_id: str, spec: PackageSpec, progress: Progress | None) -> FragmentSet:
    size_bytes = content.stat().st_size
    if isinstance(spec.plan, ByContent):
        lengths = cdc.lengths(content, spec.plan)
    else:
        lengths = fragment_plan.lengths(spec.plan, size_bytes)
    meter = ProgressMeter(progress, size_bytes)
    with content.open("rb", buffering=0) as file:
        try:
            return cut(file.readinto, lengths, folder, package_id, spec.digest, meter)
        except EOFError:
            raise BadInput("source", "a file that does not change while it is read", f"{content} has shrunk") from None
        except ValueError:
            raise BadInput("source", "a file that does not change while it is read", f"{content} has grown") from None
