"""Building a package: what lies in its folder, what is refused, and what failures leave (nothing)."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import stat
import tarfile
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.fragment_plan import ByContent, ByCount, BySize, lengths
from distd.domain.records import Action, Info, Notify, OperatingSystem
from distd.packaging import archive, builder, hashing
from distd.storage.data_dir import DataDir
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info as info_format

if TYPE_CHECKING:
    from cryptography import x509

    from distd.storage.pki import Signer

LINUX, WINDOWS = OperatingSystem.LINUX, OperatingSystem.WINDOWS
STORE, LAUNCH, EXECUTE = Action.STORE, Action.LAUNCH, Action.EXECUTE


def fragments_of(folder: Path) -> list[bytes]:
    paths = sorted(folder.glob(f"{folder.name}-*"), key=lambda path: int(path.name.partition("-")[2]))
    return [path.read_bytes() for path in paths]


def zipped(path: Path, *names: str, size_bytes: int = 1000) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, bytes(size_bytes))
    return path


def tarred(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return path


# --- what is built -----------------------------------------------------------------------------------------------


def test_a_package_is_what_info_and_manifest_say(publish: Any, order: Any, ca: x509.Certificate) -> None:
    folder = publish("1700000001", notify=Notify(user=True, text='Now\n"really"', countdown_s=30))
    cut = fragments_of(folder)
    whole = b"".join(cut)
    assert {path.name for path in folder.iterdir()} == {"info", "manifest"} | {
        f"1700000001-{number}" for number in range(1, len(cut) + 1)
    }
    text = (folder / "info").read_bytes()
    assert info_format.parse(text) == Info(
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
        assert tar.extractfile("tool.bin").read() == order.source.read_bytes()


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=oct)
def test_a_web_server_may_read_it_all(data: Any, publish: Any, umask: Any) -> None:
    before = os.umask(umask)
    try:
        folder = publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert os.listdir(data.download) == ["17"]


def test_what_the_builder_tells(data: Any, order: Any, signer: Signer) -> None:
    built = builder.build(data, "17", order, signer)
    built.publish()
    cut = fragments_of(data.package("17"))
    assert (built.info.id, built.manifest.package_id, built.warnings) == ("17", "17", ())
    assert (built.size, built.fragments) == (sum(map(len, cut)), len(cut))


def test_fragments_are_of_1_mib_unless_said_otherwise(tmp_path: Path, publish: Any) -> None:
    source = zipped(tmp_path / "x.zip", "a", size_bytes=2_500_000)
    folder = publish(source=source, plan=BySize())
    assert [len(content) for content in fragments_of(folder)] == [2**20, 2**20, source.stat().st_size - 2**21]


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.TGZ"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_ready_archive_goes_as_it_is_in_so_many_fragments(
    tmp_path: Path, publish: Any, name: Any, count: Any
) -> None:
    source = tmp_path / name
    source.write_bytes(b"")
    zipped(source, "a", size_bytes=10_000)
    cut = fragments_of(publish(source=source, plan=ByCount(count)))
    assert len(cut) == count
    assert b"".join(cut) == source.read_bytes()


@pytest.mark.parametrize("name", ["x.whl", "x.jar", "x.docx", "x"])
@pytest.mark.parametrize("system", [LINUX, WINDOWS])
def test_a_zip_of_another_name_is_a_file_to_be_wrapped(tmp_path: Path, publish: Any, name: Any, system: Any) -> None:
    source = zipped(tmp_path / name, "a", "b")
    whole = b"".join(fragments_of(publish(source=source, os=system)))
    (tmp_path / "whole").write_bytes(whole)
    kind = archive.kind_of(tmp_path / "whole")
    assert archive.file_names(tmp_path / "whole", kind) == {name}
    assert whole != source.read_bytes()


@pytest.mark.parametrize("action", [STORE, EXECUTE])
def test_an_empty_file_is_a_file(tmp_path: Path, publish: Any, action: Any) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (whole,) = fragments_of(publish(source=tmp_path / "empty", action=action, plan=BySize()))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert [(member.name, member.size) for member in tar] == [("empty", 0)]


@pytest.mark.parametrize("plan", [BySize(), BySize(1024), ByContent()])
def test_a_command_without_a_file_has_no_fragments(publish: Any, ca: x509.Certificate, plan: Any) -> None:
    folder = publish(source=None, action=EXECUTE, target="shutdown -r now", plan=plan)
    assert sorted(os.listdir(folder)) == ["info", "manifest"]
    info = info_format.parse((folder / "info").read_bytes())
    assert (info.fragments, info.digest, info.target) == (0, "", "shutdown -r now")
    manifest = manifest_format.read((folder / "manifest").read_bytes(), ca)
    assert (manifest.size, manifest.fragments, manifest.md5) == (0, (), hashlib.md5(b"").digest())


@pytest.mark.parametrize("system", OperatingSystem)
def test_the_same_thing_twice_is_the_same_fragments(publish: Any, order: Any, system: Any) -> None:
    first = fragments_of(publish("17", os=system))
    os.utime(order.source, (1, 1))
    assert fragments_of(publish("18", os=system)) == first


def test_a_folder_with_dots_at_its_top_is_built_with_a_warning(
    tmp_path: Path, data: Any, order: Any, signer: Signer
) -> None:
    (tmp_path / "tree" / ".config").mkdir(parents=True)
    (tmp_path / "tree" / "a").write_bytes(b"")
    for system, warned in ((LINUX, True), (WINDOWS, False)):
        built = builder.build(data, "17", dataclasses.replace(order, source=tmp_path / "tree", os=system), signer)
        assert any(".config" in warning for warning in built.warnings) is warned
        built.discard()


def test_progress_counts_the_packing_and_then_the_cutting(data: Any, order: Any, signer: Signer) -> None:
    told = []
    built = builder.build(data, "17", order, signer, lambda done, total: told.append((done, total)))
    source_bytes = order.source.stat().st_size
    assert (source_bytes, source_bytes) in told
    assert told[-1] == (built.size, built.size)
    built.discard()


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
    order: Any,
    signer: Signer,
    ca: x509.Certificate,
    monkeypatch: pytest.MonkeyPatch,
    size_bytes: Any,
    seed: Any,
    plan: Any,
    block_bytes: Any,
) -> None:
    order.source.write_bytes(seed.randbytes(size_bytes))
    changed = dataclasses.replace(order, plan=plan)
    monkeypatch.setattr(hashing, "BLOCK_BYTES", block_bytes)
    with tempfile.TemporaryDirectory() as name:
        data = DataDir(Path(name))
        data.download.mkdir()
        archive.pack(order.source, data.root / "packed", LINUX, None)
        packed = (data.root / "packed").read_bytes()
        most = max(1, len(packed) // 1024)
        if isinstance(plan, ByCount) and plan.count > most:
            with pytest.raises(BadInput, match=f"--fragments: expected 1 to {most} for {len(packed)} bytes"):
                builder.build(data, "17", changed, signer)
            assert os.listdir(data.download) == []
            return
        builder.build(data, "17", changed, signer).publish()
        cut = fragments_of(data.package("17"))
        assert b"".join(cut) == packed
        assert all(cut)
        if not isinstance(plan, ByContent):
            assert [len(content) for content in cut] == lengths(plan, len(packed))
        manifest = manifest_format.read((data.package("17") / "manifest").read_bytes(), ca)
        assert manifest.md5 == hashlib.md5(packed).digest()
        assert [fragment.blake3 for fragment in manifest.fragments] == [blake3(content).digest() for content in cut]


def test_memory_does_not_grow_with_the_package(tmp_path: Path, data: Any, order: Any, signer: Signer) -> None:
    source = zipped(tmp_path / "x.zip", "a", size_bytes=48 * 2**20)
    changed = dataclasses.replace(order, source=source, plan=BySize(20 * 2**20))
    builder.build(data, "16", changed, signer).discard()  # what is loaded once is loaded now
    tracemalloc.start()
    try:
        builder.build(data, "17", changed, signer).discard()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * 2**20
