"""A real disk that is full: a small tmpfs, in a mount namespace of its own. One clear line, and nothing half done."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Inside the namespace: a site on a tmpfs of 3 MB, with nothing kept free, and a command that does not fit.
SCRIPT = """
set -e
mount -t tmpfs -o size=3m tmpfs "$1"
cd "$1"
distd="$2 -m distd.cli"
$distd init --data site --host localhost >/dev/null
$distd package build "$3/small" --data site --name small --os LINUX --action STORE --path /x $4 >/dev/null
before=$(find site -type f ! -name 'catalogue*' | sort | xargs md5sum)
set +e
shift 4
$distd "$@" --data site $OPTIONS
status=$?
set -e
after=$(find site -type f ! -name 'catalogue*' | sort | xargs md5sum)
test "$before" = "$after" || { echo "the site has changed" >&2; exit 99; }
$distd package verify --data site
exit $status
"""


@pytest.fixture
def run_in_3_mb(tmp_path: Path) -> Any:
    for name, size in (("small", 100_000), ("fits", 1_000_000), ("large", 2_900_000)):
        (tmp_path / name).write_bytes(os.urandom(size))
    ocs = tmp_path / "ocs"
    ocs.mkdir()

    def run(*command: Any, options: Any = "") -> Any:
        place = tmp_path / "disk"
        place.mkdir()
        words = [str(tmp_path / part[1:]) if part.startswith("@") else part for part in command]
        unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]
        free = "--set store.keep_free_mib=0"
        return subprocess.run(
            [*unshare, str(place), sys.executable, str(tmp_path), free, *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OPTIONS": options},
        )

    return run


BUILD = ("package", "build")
ORDER = ("--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/x")


def test_what_does_not_fit_is_refused_before_it_is_begun(run_in_3_mb: Any) -> None:
    done = run_in_3_mb(*BUILD, "@large", *ORDER, options="--set store.keep_free_mib=0")
    assert done.returncode == 1
    assert done.stderr.startswith("distd: data directory: ")
    assert "bytes are needed" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_to_stay_free_stays_free(run_in_3_mb: Any) -> None:
    done = run_in_3_mb(*BUILD, "@fits", *ORDER, options="--set store.keep_free_mib=1")
    assert done.returncode == 1
    assert "beside the 1048576 that stay free" in done.stderr


def test_a_disk_that_fills_up_midway_is_said_to_be_full(run_in_3_mb: Any, tmp_path: Path) -> None:
    """Files that grow when they are packed and cut: many empty ones, whose names alone fill it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(300):
        (tree / f"{number:03}{'x' * 200}").write_bytes(os.urandom(4000))
    done = run_in_3_mb(*BUILD, "@tree", *ORDER, "--fragment-size", "1KiB", options="--set store.keep_free_mib=0")
    assert (done.returncode, done.stderr) == (1, "distd: data directory: the disk is full\n")
