"""Building a package: what is in its folder, and how often its source is opened for it."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.fragment_plan import ByContent, ByCount, BySize, lengths
from distd.domain.recipes import CRLF, LF
from distd.domain.records import Action, Info, Notify, OperatingSystem
from distd.packaging import archive, hashing
from distd.packaging.source_files import find_members
from distd.storage.data_dir import DataDir
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info

if TYPE_CHECKING:
    import random

    from cryptography import x509

    from distd.domain.fragment_plan import Plan
    from tests.fixtures.package_dirs import PackageToBuild

LINUX, WINDOWS = OperatingSystem.LINUX, OperatingSystem.WINDOWS
STORE, LAUNCH, EXECUTE = Action.STORE, Action.LAUNCH, Action.EXECUTE


def fragments_of(folder: Path) -> list[bytes]:
    paths = sorted(folder.glob(f"{folder.name}-*"), key=lambda path: int(path.name.partition("-")[2]))
    return [path.read_bytes() for path in paths]


def content_of(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def zipped(path: Path, *names: str, size_bytes: int = 1000) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, bytes(size_bytes))
    return path


# --- what is built -----------------------------------------------------------------------------------------------


def test_a_package_is_what_info_and_manifest_say(package: PackageToBuild, ca: x509.Certificate) -> None:
    folder = package.publish("1700000001", notify=Notify(user=True, text='Now\n"really"', countdown_s=30))
    cut = fragments_of(folder)
    whole = b"".join(cut)
    assert {path.name for path in folder.iterdir()} == {"info", "manifest"} | {
        f"1700000001-{number}" for number in range(1, len(cut) + 1)
    }
    text = (folder / "info").read_bytes()
    assert ocs_info.parse(text) == Info(
        "1700000001",
        5,
        STORE,
        "/opt/tool",
        len(cut),
        hashlib.md5(whole).hexdigest(),
        notify=Notify(user=True, text='Now\n"really"', countdown_s=30),
    )
    manifest = manifest_format.read((folder / "manifest").read_bytes(), ca)
    assert (manifest.package_id, manifest.version, manifest.size) == ("1700000001", 1, len(whole))
    assert manifest.md5 == hashlib.md5(whole).digest()
    assert manifest.sha256 == b""
    assert manifest.blake3 == blake3(whole).digest()
    assert manifest.info_blake3 == blake3(text).digest()
    assert [(f.number, f.length, f.blake3) for f in manifest.fragments] == [
        (number, len(content), blake3(content).digest()) for number, content in enumerate(cut, 1)
    ]
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert tar.getnames() == ["tool.bin"]
        assert content_of(tar, "tool.bin") == package.source.read_bytes()


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=oct)
def test_a_web_server_may_read_it_all(package: PackageToBuild, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = package.publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert os.listdir(package.data.download) == ["17"]


def test_what_the_builder_tells(package: PackageToBuild) -> None:
    staged = package.build()
    staged.publish()
    cut = fragments_of(package.data.package("17"))
    assert staged.package_id == "17"
    assert (staged.size_bytes, staged.fragments) == (sum(map(len, cut)), len(cut))


def test_fragments_are_of_1_mib_unless_said_otherwise(tmp_path: Path, package: PackageToBuild) -> None:
    source = zipped(tmp_path / "x.zip", "a", size_bytes=2_500_000)
    folder = package.publish(source=source, plan=BySize())
    assert [len(content) for content in fragments_of(folder)] == [2**20, 2**20, source.stat().st_size - 2**21]


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.TGZ"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_ready_archive_goes_as_it_is_in_so_many_fragments(
    tmp_path: Path, package: PackageToBuild, name: str, count: int
) -> None:
    source = tmp_path / name
    source.write_bytes(b"")
    zipped(source, "a", size_bytes=10_000)
    cut = fragments_of(package.publish(source=source, plan=ByCount(count)))
    assert len(cut) == count
    assert b"".join(cut) == source.read_bytes()


@pytest.mark.parametrize("name", ["x.whl", "x.jar", "x.docx", "x"])
@pytest.mark.parametrize("system", [LINUX, WINDOWS])
def test_a_zip_of_another_name_is_a_file_to_be_packed(
    tmp_path: Path, package: PackageToBuild, name: str, system: OperatingSystem
) -> None:
    source = zipped(tmp_path / name, "a", "b")
    whole = b"".join(fragments_of(package.publish(source=source, os=system)))
    if system is WINDOWS:
        assert zipfile.ZipFile(io.BytesIO(whole)).read(name) == source.read_bytes()
    else:
        with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
            assert content_of(tar, name) == source.read_bytes()


@pytest.mark.parametrize("action", [STORE, EXECUTE])
def test_an_empty_file_is_a_file(tmp_path: Path, package: PackageToBuild, action: Action) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (whole,) = fragments_of(package.publish(source=tmp_path / "empty", action=action, plan=BySize()))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert [(member.name, member.size) for member in tar] == [("empty", 0)]


@pytest.mark.parametrize("plan", [BySize(), BySize(1024), ByContent()])
def test_a_command_without_a_file_has_no_fragments(package: PackageToBuild, ca: x509.Certificate, plan: Plan) -> None:
    folder = package.publish(source=None, action=EXECUTE, target="shutdown -r now", plan=plan)
    assert sorted(os.listdir(folder)) == ["info", "manifest"]
    info = ocs_info.parse((folder / "info").read_bytes())
    assert (info.fragments, info.digest, info.target) == (0, "", "shutdown -r now")
    manifest = manifest_format.read((folder / "manifest").read_bytes(), ca)
    assert (manifest.size, manifest.fragments, manifest.md5) == (0, (), hashlib.md5(b"").digest())


@pytest.mark.parametrize("system", OperatingSystem)
def test_the_same_thing_twice_is_the_same_fragments(package: PackageToBuild, system: OperatingSystem) -> None:
    first = fragments_of(package.publish("17", os=system))
    os.utime(package.source, (1, 1))
    assert fragments_of(package.publish("18", os=system)) == first


def test_a_folder_with_dots_at_its_top_is_built_with_a_warning(tmp_path: Path, package: PackageToBuild) -> None:
    (tmp_path / "tree" / ".config").mkdir(parents=True)
    (tmp_path / "tree" / "a").write_bytes(b"")
    warning = "the stock Unix agent stores `*`, so not .config at the top of the folder"
    assert package.check(source=tmp_path / "tree").warnings == (warning,)
    assert package.check(source=tmp_path / "tree", os=WINDOWS).warnings == ()
    with tarfile.open(fileobj=io.BytesIO(fragments_of(package.publish(source=tmp_path / "tree"))[0])) as tar:
        assert tar.getnames() == [".config", "a"]


def test_progress_counts_the_packing_and_then_the_cutting(package: PackageToBuild) -> None:
    told: list[tuple[int, int]] = []
    with package.build(progress=lambda done, total: told.append((done, total))) as staged:
        source_bytes = package.source.stat().st_size
        assert (source_bytes, source_bytes) in told
        assert told[-1] == (staged.size_bytes, staged.size_bytes)


@pytest.mark.parametrize(
    ("system", "line_ends", "expected"),
    [
        (LINUX, LF, b"#!/bin/sh\necho 1\n"),
        (WINDOWS, CRLF, b"#!/bin/sh\r\necho 1\r\n"),
        (LINUX, None, b"#!/bin/sh\r\necho 1\r\n"),
    ],
)
def test_the_lines_of_a_script_end_as_its_interpreter_wants_them(
    tmp_path: Path, package: PackageToBuild, system: OperatingSystem, line_ends: bytes | None, expected: bytes
) -> None:
    script = tmp_path / "do.sh"
    script.write_bytes(b"#!/bin/sh\r\necho 1\r\n")
    script.chmod(0o755)
    folder = package.publish(source=script, os=system, action=EXECUTE, target="x", line_ends=line_ends)
    packed = io.BytesIO(b"".join(fragments_of(folder)))
    if system is WINDOWS:
        assert zipfile.ZipFile(packed).read("do.sh") == expected
    else:
        with tarfile.open(fileobj=packed) as tar:
            assert tar.getmember("do.sh").mode & 0o777 == 0o755
            assert content_of(tar, "do.sh") == expected
    assert sorted(path.name for path in folder.iterdir()) == ["17-1", "info", "manifest"]
    assert script.read_bytes() == b"#!/bin/sh\r\necho 1\r\n"


# Builds a package and prints how often each file of its source was opened, by the interpreter's audit: a line each.
OPENINGS = """
import os, sys
from collections import Counter
from pathlib import Path
from distd.domain.fragment_plan import BySize
from distd.domain.package_spec import PackageSpec
from distd.domain.records import Action, OperatingSystem
from distd.packaging import builder
from distd.storage import pki
from distd.storage.data_dir import DataDir

site, data, source = DataDir(Path(sys.argv[1])), DataDir(Path(sys.argv[2])), Path(sys.argv[3])
signer = pki.load_signer(site.keys)
opened = Counter()
sys.addaudithook(lambda event, args: event == "open" and opened.update([str(args[0])]))
spec = PackageSpec(OperatingSystem.LINUX, 5, Action.STORE, "/opt/x", BySize(1024))
with builder.build(data, "17", builder.check(source, spec), signer) as staged:
    staged.publish()
for path, count in sorted(opened.items()):
    if path.startswith(str(source)):
        print(os.path.basename(path), count)
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.zip", ["x.zip 2"]),  # read, cut
        ("x.tar.gz", ["x.tar.gz 2"]),
        ("x", ["x 2"]),  # can it be read, packed
        ("tree", ["tree 1", "a 1", "b 1"]),  # what is below the folder is inspected by its descriptor
    ],
)
def test_a_source_is_opened_once_to_be_inspected_and_once_to_be_used(
    tmp_path: Path, site_keys: DataDir, package: PackageToBuild, name: str, expected: list[str]
) -> None:
    source = tmp_path / name
    if name == "tree":
        source.mkdir()
        for member in "ab":
            (source / member).write_bytes(b"x")
    elif name == "x.tar.gz":
        with tarfile.open(source, "w:gz") as tar:
            tar.add(package.source, "tool.bin")
    else:
        zipped(source, "a", "b")
    command = [sys.executable, "-c", OPENINGS, str(site_keys.root), str(package.data.root), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == expected


# Files of 0 to 40 kB that no compressor makes smaller, in any sizes of fragments and any number of them.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    size_bytes=st.one_of(st.integers(0, 40_000), st.sampled_from([1023, 1024, 1025, 4096, 8192])),
    seed=st.randoms(use_true_random=False),
    plan=st.one_of(
        st.builds(BySize, st.integers(1024, 50_000)),
        st.builds(ByCount, st.integers(1, 50)),
        st.builds(ByContent, st.integers(8192, 20_000)),
    ),
    block_bytes=st.sampled_from([500, 1024, 3000, hashing.BLOCK_BYTES]),
)
def test_the_fragments_one_after_another_are_the_archive(
    package: PackageToBuild,
    ca: x509.Certificate,
    monkeypatch: pytest.MonkeyPatch,
    size_bytes: int,
    seed: random.Random,
    plan: Plan,
    block_bytes: int,
) -> None:
    package.source.write_bytes(seed.randbytes(size_bytes))
    monkeypatch.setattr(hashing, "BLOCK_BYTES", block_bytes)
    with tempfile.TemporaryDirectory() as name:
        data = DataDir(Path(name))
        data.download.mkdir()
        archive.pack(find_members(package.source, links=True), data.root / "packed", LINUX, None)
        packed = (data.root / "packed").read_bytes()
        most = max(1, len(packed) // 1024)
        if isinstance(plan, ByCount) and plan.count > most:
            with pytest.raises(BadInput, match=f"fragments.count: expected 1 to {most} for {len(packed)} bytes"):
                package.build(data=data, plan=plan)
            assert os.listdir(data.download) == []
            return
        package.build(data=data, plan=plan).publish()
        cut = fragments_of(data.package("17"))
        assert b"".join(cut) == packed
        assert all(cut)
        if not isinstance(plan, ByContent):
            assert [len(content) for content in cut] == lengths(plan, len(packed))
        manifest = manifest_format.read((data.package("17") / "manifest").read_bytes(), ca)
        assert manifest.md5 == hashlib.md5(packed).digest()
        assert [fragment.blake3 for fragment in manifest.fragments] == [blake3(content).digest() for content in cut]


def test_memory_does_not_grow_with_the_package(tmp_path: Path, package: PackageToBuild) -> None:
    source = zipped(tmp_path / "x.zip", "a", size_bytes=48 * 2**20)
    plan = BySize(20 * 2**20)
    package.build("16", source=source, plan=plan).discard()  # what is loaded once is loaded now
    tracemalloc.start()
    try:
        package.build("17", source=source, plan=plan).discard()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * 2**20
