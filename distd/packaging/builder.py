"""Building a package: its source is read, checked, packed, cut and described; each step gets what the last one found.

`check` writes nothing; `build` works in a hidden folder beside the package's final place.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from stat import S_IFREG
from typing import TYPE_CHECKING

from distd.domain import fragment_plan, package_spec, recipes
from distd.domain.errors import BadInput, Conflict
from distd.domain.fragment_plan import ByContent
from distd.domain.package_spec import SourceKind
from distd.domain.records import Digest, OperatingSystem
from distd.packaging import archive, cdc
from distd.packaging.content_digest import ContentDigest
from distd.packaging.cutting import NO_FRAGMENTS, cut
from distd.packaging.progress import ProgressMeter
from distd.packaging.source import read_source
from distd.packaging.source_files import check_unchanged, open_member, with_content
from distd.storage import atomic, quota
from distd.storage.atomic import map_disk_full
from distd.storage.quota import NO_LIMITS
from distd.storage.staged_package import StagedPackage, sign_description
from distd.wire import ocs_info, xml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from distd.domain.package_spec import PackageSpec
    from distd.packaging.cutting import FragmentSet
    from distd.packaging.progress import Progress
    from distd.packaging.source import Source
    from distd.packaging.source_files import Member
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from distd.storage.quota import DiskLimits


@dataclass(frozen=True, slots=True)
class CheckedPackage:
    """A specification and the source that fits it: what `build` takes. `warnings` are for the operator. `digest`: that
    of the source's content; "": whatever it is."""

    spec: PackageSpec
    source: Source
    warnings: tuple[str, ...]
    digest: str = ""


def check(path: Path | None, spec: PackageSpec, file_mode: int | None = None, digest: str = "") -> CheckedPackage:
    """Read the source at `path` (None: a command without a file), and hold the specification against it. `file_mode`
    is that of a single file in the package; None: as it is on the disk. With a `digest` the content must have it when
    it is packed, and there must be no link in `path`.

    All that can be known before anything is written. Raises `BadInput`.
    """
    check_spec(spec)
    links = spec.os is not OperatingSystem.WINDOWS
    source = read_source(path, links=links, is_script=spec.line_ends is not None, follow=not digest)
    if file_mode is not None and source.facts.kind in (SourceKind.FILE, SourceKind.SCRIPT):
        source = replace(source, members=tuple(replace(one, mode=S_IFREG | file_mode) for one in source.members))
    package_spec.check_source(spec, source.facts)
    return CheckedPackage(spec, source, package_spec.warnings(spec, source.facts), digest)


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

    Raises `BadInput` when the source changes meanwhile, `Conflict` when it has not the digest that it must have, and
    `Unavailable` when the disk is full; nothing is left then.
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
def _archive(package: CheckedPackage, folder: Path, progress: Progress | None) -> Iterator[_Content]:
    """The archive to cut: the source itself, or one made of it in `folder`, which is removed at the end."""
    found, digest = package.source.archive, ContentDigest() if package.digest else None
    if found is not None:
        with open_member(found, buffering=0) as file:
            if digest is not None:
                digest.begin(found)
            yield _Content(file, str(found.path), digest)
            check_unchanged(file, found)
        _check_digest(package, digest)
        return
    packed = folder / ".archive"
    with _members(package, folder, digest) as (members, later):
        archive.pack(members, packed, package.spec.os, progress, later)
    _check_digest(package, digest)
    with packed.open("rb", buffering=0) as file:
        yield _Content(file, str(packed))
    packed.unlink()


def _check_digest(package: CheckedPackage, digest: ContentDigest | None) -> None:
    if digest is not None and digest.hexdigest() != package.digest:
        raise Conflict("source", "it was changed meanwhile", "it is looked at again")


@dataclass(frozen=True, slots=True)
class _Content:
    """An open archive, by the name that errors have; `digest` gets what is read of it."""

    file: IO[bytes]
    name: str
    digest: ContentDigest | None = None

    def readinto(self, buffer: memoryview) -> int:
        size_bytes: int = self.file.readinto(buffer)  # type: ignore[attr-defined]
        if self.digest is not None:
            self.digest.add(buffer[:size_bytes])
        return size_bytes


@contextmanager
def _members(
    package: CheckedPackage, folder: Path, digest: ContentDigest | None
) -> Iterator[tuple[Sequence[Member], ContentDigest | None]]:
    """What is to be packed, and what gets the bytes; of a script a copy whose lines end as its interpreter wants them,
    removed at the end, while `digest` has got those of the script."""
    members, line_ends = package.source.members, package.spec.line_ends
    if line_ends is None:
        yield members, digest
        return
    (script,) = members
    with open_member(script) as file:
        content = file.read()
        check_unchanged(file, script)
    if digest is not None:
        digest.begin(script)
        digest.add(content)
    copy = folder / ".script"
    copy.write_bytes(recipes.with_line_ends(content, line_ends))
    yield [with_content(script, copy)], None
    copy.unlink()


def _cut(content: _Content, folder: Path, package_id: str, spec: PackageSpec, progress: Progress | None) -> FragmentSet:
    size_bytes = os.fstat(content.file.fileno()).st_size
    if isinstance(spec.plan, ByContent):
        lengths = cdc.lengths(content.file, spec.plan)
        content.file.seek(0)
    else:
        lengths = fragment_plan.lengths(spec.plan, size_bytes)
    meter = ProgressMeter(progress, size_bytes)
    expected = "a file that does not change while it is read"
    try:
        return cut(content.readinto, lengths, folder, package_id, spec.digest, meter)
    except EOFError:
        raise BadInput("source", expected, f"{content.name} has shrunk") from None
    except ValueError:
        raise BadInput("source", expected, f"{content.name} has grown") from None
