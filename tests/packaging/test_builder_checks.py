"""What a build refuses: by the name the user knows it by, and before anything is written."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, Unavailable
from distd.domain.fragment_plan import MAX_FRAGMENTS, ByContent, ByCount, BySize
from distd.domain.package_spec import MAX_SCRIPT_BYTES
from distd.domain.recipes import LF
from distd.domain.records import Action, Digest, Notify, OperatingSystem
from distd.packaging import builder
from distd.storage.quota import DiskLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.package_dirs import PackageToBuild, Snapshot

    Refused = Callable[..., str]

WINDOWS, LINUX = OperatingSystem.WINDOWS, OperatingSystem.LINUX
LAUNCH, EXECUTE = Action.LAUNCH, Action.EXECUTE


@pytest.fixture
def refused(tmp_path: Path, package: PackageToBuild, snapshot: Callable[[Path], Snapshot]) -> Refused:
    """The message with which a package is refused; nothing is written then."""

    def refused(**changes: Any) -> str:
        before = snapshot(tmp_path)
        with pytest.raises(BadInput) as caught:
            package.check(**changes)
        assert "\n" not in str(caught.value)
        assert snapshot(tmp_path) == before
        return str(caught.value)

    return refused


REFUSED = {
    "a priority below": ({"priority": -1}, "priority: expected 0 to 10, got -1"),
    "a priority above": ({"priority": 11}, "priority: expected 0 to 10, got 11"),
    "no path": ({"target": ""}, "target: expected what the action STORE needs, on one line, got nothing"),
    "an empty path": ({"target": "  "}, "target"),
    "two lines": ({"target": "/a\n/b"}, "target"),
    "a tab": ({"target": "/a\tb"}, "target"),
    "a path that is an option": ({"target": "-rf"}, "target: expected a path that begins with /, got -rf"),
    "a path below the agent's folder": ({"target": "relative/path"}, "target: expected a path that begins with /"),
    "a path of Linux for Windows": ({"target": "/tmp/x", "os": WINDOWS}, "target: expected a path of Windows such as"),
    "a quote in a path": ({"target": 'c:\\x"‹', "os": WINDOWS}, "target: expected a path of Windows"),
    "a folder of the present drive": ({"target": "C:x", "os": WINDOWS}, "target: expected a path of Windows"),
    "a second colon": ({"target": "C:\\a:b", "os": WINDOWS}, "target: expected a path of Windows"),
    "a path that is an option for Windows": ({"target": "-rf", "os": WINDOWS}, "target: expected a path"),
    "a path with a space": ({"target": "/opt/my tool"}, "target: expected a path without spaces and shell characters"),
    "a path that runs something": ({"target": "/opt;reboot"}, "shell characters, got /opt;reboot"),
    "a path that is substituted": ({"target": "$(reboot)"}, "the stock Unix agent gives it to a shell"),
    "no command": ({"action": EXECUTE, "target": ""}, "target: expected what the action EXECUTE needs"),
    "no name to launch": ({"action": LAUNCH, "target": " "}, "target: expected what the action LAUNCH needs"),
    "a character that is none of XML's": (
        {"target": "C:\\\ufffe", "os": WINDOWS},
        "target: expected characters that XML",
    ),
    "the same in a text": ({"notify": Notify(text="a\x00")}, "notify.text: expected characters that XML 1.0 has"),
    "the same in another": (
        {"notify": Notify(done_action_text="\x1b")},
        "notify.done_action_text: expected characters that XML",
    ),
    "an info beyond its limit": ({"notify": Notify(text='"' * 20_000)}, "info: expected at most 65536 bytes"),
    "a countdown without a text": ({"notify": Notify(countdown_s=30)}, "notify.text: expected a text, as the other"),
    "a countdown below 0": (
        {"notify": Notify(text="Save your work", countdown_s=-1)},
        "info/NOTIFY_COUNTDOWN: expected a whole number",
    ),
    "no file to store": (
        {"source": None},
        "source: expected a file or folder, as the action STORE needs one, got nothing",
    ),
    "no file to launch": (
        {"source": None, "action": LAUNCH},
        "source: expected a file or folder, as the action LAUNCH",
    ),
    "a file that is not there": ({"source": Path("/nowhere/x")}, "got /nowhere/x, which is not there"),
    "a file below a file": ({"source": Path("/etc/passwd/x")}, "got /etc/passwd/x, which is not there"),
    "a device": ({"source": Path("/dev/null")}, "source: expected a file or folder, got /dev/null, which is neither"),
    "a name that is too long": ({"source": Path("/" + "x" * 300)}, "source: expected a file or folder, got .*too long"),
    "a name that is none": ({"source": Path("/a\0b")}, "source: expected a file or folder, got .*null"),
    "fragments of nothing": (
        {"plan": BySize(0)},
        r"fragments.size_bytes: expected at least 1024 bytes \(1KiB\), got 0",
    ),
    "fragments of less than 1 KiB": ({"plan": BySize(1023)}, "fragments.size_bytes: expected at least 1024 bytes"),
    "no fragments": ({"plan": ByCount(0)}, "fragments.count: expected 1 to 1000000, got 0"),
    "less than none": ({"plan": ByCount(-1)}, "fragments.count: expected 1 to 1000000, got -1"),
    "too many": ({"plan": ByCount(MAX_FRAGMENTS + 1)}, "fragments.count: expected 1 to 1000000, got 1000001"),
    "content in crumbs": ({"plan": ByContent(8191)}, "fragments.size_bytes: expected 8192 to 4194304 bytes on average"),
    "content in lumps": (
        {"plan": ByContent(2**22 + 1)},
        "fragments.size_bytes: expected 8192 to 4194304 bytes on average",
    ),
    "a digest of Windows": ({"digest": Digest.SHA256}, "digest: expected MD5 or SHA1 unless the system is WINDOWS"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_package_that_cannot_be(refused: Refused, changes: dict[str, Any], message: str) -> None:
    assert re.search(message, refused(**changes))


@pytest.mark.parametrize("priority", range(11))
def test_every_priority_is_accepted(package: PackageToBuild, priority: int) -> None:
    assert package.check(priority=priority).spec.priority == priority


@pytest.mark.parametrize(
    "target", ["/opt/tool", "/a_b-c.d+e@f:g,h=i~j%k", "~/x", "/", "INSTALL_PATH/x", "INSTALL_PATH"]
)
def test_paths_are_accepted(package: PackageToBuild, target: str) -> None:
    assert package.check(target=target).spec.target == target


@pytest.mark.parametrize(
    "target", ["C:\\Program Files\\x & y", "d:/x", "\\\\server\\share\\x", "%ProgramFiles%\\x", "c:\\", "C:\\é"]
)
def test_windows_paths_are_accepted(package: PackageToBuild, target: str) -> None:
    assert package.check(target=target, os=WINDOWS).spec.target == target


# --- sources -----------------------------------------------------------------------------------------------------


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path.name)


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_dangling_link, "which is not there"),
        (a_fifo, "which is neither"),
        (a_socket, "which is neither"),
        (a_loop, "Too many levels"),
    ],
)
def test_a_source_that_is_no_file(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "odd")
    assert words in refused(source=tmp_path / "odd")


@pytest.mark.parametrize("name", ["x", "x.zip", "x.tar.gz", "tree/deep/x"])
def test_an_unreadable_file(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> Any:
        if Path(path).name == Path(name).name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"")  # the snapshot's
    source = tmp_path / name if "/" not in name else tmp_path / "tree"
    assert refused(source=source) == f"source: expected a readable file, got {tmp_path / name}: Permission denied"


def test_a_folder_that_may_not_be_entered(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = Path.stat

    def refuse(path: Path, **kwargs: Any) -> Any:
        if path.name == "x":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **kwargs)

    monkeypatch.setattr(Path, "stat", refuse)
    assert "source: expected a file or folder, got [Errno 13] Permission denied" in refused(source=tmp_path / "x")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tgz", "X.ZIP"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and so on", b"\x1f\x8b\x08 and so on"])
def test_a_file_that_only_says_it_is_an_archive(tmp_path: Path, refused: Refused, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(source=tmp_path / name) == (
        f"source: expected a zip or tar.gz archive, as its name says, got {tmp_path / name}"
    )


def make_archive(path: Path, *names: str) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name in names:
                packed.writestr(name, b"")
    else:
        with tarfile.open(path, "w:gz") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name))
    return path


def test_a_tar_gz_that_ends_early(tmp_path: Path, refused: Refused) -> None:
    source = make_archive(tmp_path / "x.tar.gz", *(f"file {n}" for n in range(1000)))
    source.write_bytes(source.read_bytes()[:-100])
    assert "source: expected a whole archive, got " in refused(source=source)


def test_windows_agents_unpack_zips_only(tmp_path: Path, refused: Refused, package: PackageToBuild) -> None:
    source = make_archive(tmp_path / "x.tar.gz", "a")
    assert refused(source=source, os=WINDOWS) == (
        f"source: expected a zip for Windows, got {source}, a tar.gz; its agent unpacks nothing else"
    )
    assert package.check(source=make_archive(tmp_path / "x.zip", "a"), os=WINDOWS).warnings == ()


def test_unix_agents_unpack_both(tmp_path: Path, package: PackageToBuild) -> None:
    for name, warned in (("x.tar.gz", ()), ("x.zip", ("a Unix agent needs unzip for it; a tar.gz it unpacks itself",))):
        assert package.check(source=make_archive(tmp_path / name, "a")).warnings == warned


def test_more_fragments_than_a_ready_archive_gives(tmp_path: Path, refused: Refused) -> None:
    source = make_archive(tmp_path / "x.zip", *(f"file {n}" for n in range(50)))
    most = source.stat().st_size // 1024
    assert refused(source=source, plan=ByCount(most + 1)).startswith(
        f"fragments.count: expected 1 to {most} for {source.stat().st_size} bytes"
    )


def test_more_fragments_than_a_packed_file_gives_leave_nothing(package: PackageToBuild) -> None:
    with pytest.raises(BadInput, match=r"fragments.count: expected 1 to"):
        package.build(plan=ByCount(1000))
    assert os.listdir(package.data.download) == []


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_script_is_a_plain_file(tmp_path: Path, refused: Refused, form: str) -> None:
    source = tmp_path / "do.sh" if form == "folder" else make_archive(tmp_path / "do.zip", "do.sh")
    if form == "folder":
        source.mkdir()
        (source / "a").write_bytes(b"")
    assert refused(source=source, action=EXECUTE, target="x", line_ends=LF) == (
        f"source: expected a script, got {source}, which is no plain file"
    )


def test_a_script_too_large_to_be_one(refused: Refused, package: PackageToBuild) -> None:
    os.truncate(package.source, MAX_SCRIPT_BYTES + 1)
    assert "a script of at most 16777216 bytes, got 16777217 bytes" in refused(action=EXECUTE, target="x", line_ends=LF)


# --- LAUNCH ------------------------------------------------------------------------------------------------------

UNIX = [OperatingSystem.LINUX, OperatingSystem.MACOS, OperatingSystem.OTHER]
LAUNCHES = {
    "the file": ("setup.sh", True, True),
    "with arguments": ("setup.sh --yes -f x", True, True),
    "from here": ("./setup.sh", True, False),
    "in a folder": ("bin/run.sh 1", True, True),
    "a folder": ("bin", False, False),
    "another": ("other.sh", False, False),
    "part of a name": ("setup", False, False),
    "more than a name": ("setup.shx", False, False),
    "another case": ("SETUP.SH /S", False, True),
    "a backslash": ("bin\\run.sh", False, True),
    "quoted": ('"setup.sh" /S', False, True),
    "with spaces": ("my setup.exe /S", False, True),
    "quoted with spaces": ('"My Setup.exe" /S', False, True),
    "a path from the root": ("/bin/sh", False, False),
}


@pytest.fixture
def launchable(tmp_path: Path) -> dict[str, Path]:
    """What can be launched from, in each form."""
    tree = tmp_path / "tree"
    for name in ("setup.sh", "bin/run.sh", "My Setup.exe"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"")
    names = ("setup.sh", "bin/run.sh", "My Setup.exe")
    return {
        "folder": tree,
        "zip": make_archive(tmp_path / "x.zip", *names),
        "tar.gz": make_archive(tmp_path / "x.tar.gz", *(f"./{name}" for name in names)),
    }


@pytest.mark.parametrize("form", ["folder", "zip", "tar.gz"])
@pytest.mark.parametrize(("target", "unix", "windows"), LAUNCHES.values(), ids=LAUNCHES)
def test_what_is_launched_must_be_in_the_package(
    package: PackageToBuild,
    launchable: dict[str, Path],
    refused: Refused,
    form: str,
    target: str,
    unix: bool,
    windows: bool,
) -> None:
    systems = dict.fromkeys(UNIX, unix) | ({} if form == "tar.gz" else {WINDOWS: windows})
    for system, found in systems.items():
        changes: dict[str, Any] = {"source": launchable[form], "action": LAUNCH, "target": target, "os": system}
        if found:
            assert package.check(**changes).spec.target == target
        else:
            assert "target: expected a file of the package, such as " in refused(**changes)


def test_a_plain_file_is_launched_by_its_name(package: PackageToBuild, refused: Refused) -> None:
    launch: dict[str, Any] = {"source": package.source, "action": LAUNCH}
    assert package.check(**launch, target="tool.bin 1 2").source.facts.file_names == {"tool.bin"}
    assert refused(**launch, target="tool") == ("target: expected a file of the package, such as tool.bin, got tool")


def test_an_empty_folder_has_nothing_to_launch(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "tree").mkdir()
    assert refused(source=tmp_path / "tree", action=LAUNCH, target="x") == (
        "target: expected a file of the package, which has none, got x"
    )


@pytest.mark.parametrize("system", UNIX)
@pytest.mark.parametrize("target", ["set-up.sh", "bin-1/x", "-x"])
def test_trap_10_a_hyphen_in_the_name_to_launch_on_unix(refused: Refused, system: OperatingSystem, target: str) -> None:
    message = refused(action=LAUNCH, target=f"{target} --yes", os=system)
    assert message.startswith(f'target: expected a file name without "-", got {target}; the stock Unix agent')


def test_trap_10_is_none_on_windows_or_in_arguments(tmp_path: Path, package: PackageToBuild) -> None:
    source = make_archive(tmp_path / "x.zip", "set-up.exe", "run")
    for changes in ({"target": "set-up.exe", "os": WINDOWS}, {"target": "run --yes"}):
        assert package.check(source=source, action=LAUNCH, **changes).spec.target == changes["target"]


# --- the disk ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["file", "folder", "archive"])
def test_what_would_fill_the_disk_is_refused_before_anything_is_written(
    tmp_path: Path,
    package: PackageToBuild,
    monkeypatch: pytest.MonkeyPatch,
    snapshot: Callable[[Path], Snapshot],
    form: str,
) -> None:
    source = {"file": package.source, "folder": tmp_path / "tree", "archive": tmp_path / "x.zip"}[form]
    if form == "folder":
        (source / "sub").mkdir(parents=True)
        (source / "sub" / "a").write_bytes(bytes(25_600))
    elif form == "archive":
        make_archive(source, *(f"a long name of file {n}" for n in range(300)))
    need_bytes = source.stat().st_size if form == "archive" else 2 * 25_600
    need_bytes = need_bytes * 101 // 100
    usage = shutil.disk_usage(tmp_path)
    before = snapshot(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need_bytes - 1))
    with pytest.raises(Unavailable, match=f"data directory: {need_bytes} bytes are needed, {need_bytes - 1} are free"):
        package.build(source=source)
    assert snapshot(tmp_path) == before
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need_bytes))
    package.build(source=source).discard()


def test_a_quota_counts_what_would_stay(package: PackageToBuild) -> None:
    limits = DiskLimits(quota_bytes=package.source.stat().st_size - 1)
    with pytest.raises(
        Unavailable, match=r"store\.quota_mib allows 25599 bytes: 0 are used, and 25600 more are needed"
    ):
        builder.build(package.data, "17", package.check(), package.signer, limits=limits)
