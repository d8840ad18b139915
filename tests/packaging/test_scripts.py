"""Scripts in packages: their lines end as their interpreter wants them, and nothing else changes."""

from __future__ import annotations

import dataclasses
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.fragment_plan import BySize
from distd.domain.recipes import CRLF, LF
from distd.domain.records import Action, OperatingSystem
from distd.packaging import builder
from distd.packaging.order import MAX_SCRIPT_BYTES, check

if TYPE_CHECKING:
    from pathlib import Path

    from distd.storage.pki import Signer


@pytest.fixture
def script(tmp_path: Path) -> Any:
    path = tmp_path / "do.sh"
    path.write_bytes(b"#!/bin/sh\r\necho 1\r\n")
    path.chmod(0o755)
    return path


def whole(built: Any, data: Any, package_id: Any) -> Any:
    built.publish()
    folder = data.package(package_id)
    numbers = range(1, built.fragments + 1)
    return b"".join((folder / f"{package_id}-{number}").read_bytes() for number in numbers), folder


@pytest.mark.parametrize(
    ("system", "line_ends", "expected"),
    [
        (OperatingSystem.LINUX, LF, b"#!/bin/sh\necho 1\n"),
        (OperatingSystem.WINDOWS, CRLF, b"#!/bin/sh\r\necho 1\r\n"),
        (OperatingSystem.LINUX, None, b"#!/bin/sh\r\necho 1\r\n"),
    ],
)
def test_what_is_packed(
    tmp_path: Path, data: Any, signer: Signer, order: Any, script: Any, system: Any, line_ends: Any, expected: Any
) -> None:
    changes = {"source": script, "os": system, "action": Action.EXECUTE, "target": "x", "line_ends": line_ends}
    wanted = dataclasses.replace(order, **changes, plan=BySize(1024))
    content, folder = whole(builder.build(data, "1700000001", wanted, signer), data, "1700000001")
    packed = tmp_path / "packed"
    packed.write_bytes(content)
    if system is OperatingSystem.WINDOWS:
        assert zipfile.ZipFile(packed).read("do.sh") == expected
    else:
        with tarfile.open(packed) as archive:
            assert archive.getmember("do.sh").mode & 0o777 == 0o755
            assert archive.extractfile("do.sh").read() == expected
    assert sorted(path.name for path in folder.iterdir()) == ["1700000001-1", "info", "manifest"]
    assert script.read_bytes() == b"#!/bin/sh\r\necho 1\r\n"


def test_a_script_too_large_to_be_one(order: Any, script: Any) -> None:
    with script.open("r+b") as file:
        file.truncate(MAX_SCRIPT_BYTES + 1)
    with pytest.raises(BadInput, match="a script of at most"):
        check(dataclasses.replace(order, source=script, action=Action.EXECUTE, target="x", line_ends=LF))
