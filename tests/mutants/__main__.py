"""Would the tests notice? Small changes to the source, each tried against the tests that execute it.

Everything happens in a copy in a temporary folder, with the tests that start no program. A change inside a function is
put into the running code of a fork; any other into a module that the fork imports anew. A change that no test notices
is printed; `equivalent.toml` beside this file lists those that change nothing, with the reason. The exit status is 1
if less than 90 % are noticed over all, or less than 80 % in a module.

Example: python -m tests.mutants --minutes 20 redistrib/sync.py 'distd/wire/*.py'
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from tests.mutants.covering import SOURCES
from tests.mutants.report import print_report, read_last, write_last
from tests.mutants.runner import Plan, run
from tests.mutants.session import collect

if TYPE_CHECKING:
    from tests.mutants.report import Verdict

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = [
    *(f"redistrib/{name}.py" for name in ("sync", "scrub", "fetcher", "download", "copier", "on_demand")),
    *(f"redistrib/{name}.py" for name in ("follower", "mirror_dir", "cli")),
    "distd/origin/mirrors/*.py",
    "distd/origin/agents/*.py",
    "agentsim/native/*.py",
    "distd/lane/connection.py",
    "distd/lane/responder.py",
    "distd/catalogue/event_log.py",
    "distd/domain/schedule.py",
    "distd/wire/*.py",
]
TESTS: Final = [
    f"tests/{room}"
    for room in ("domain", "wire", "storage", "catalogue", "lane", "origin", "web", "server", "redistrib", "agentsim")
]
COPIED: Final = ["pyproject.toml", "README.md", "CHANGELOG.md", "Makefile", *SOURCES, "loadtests", "tests"]


def main() -> None:
    """Make the copy and go on there; see the module."""
    options = _parser().parse_args()
    if options.in_copy:
        _main_in_copy(options, Path(options.in_copy))
    with tempfile.TemporaryDirectory(prefix="distd-mutants-") as name:
        root = Path(name) / "copy"
        root.mkdir()
        (Path(name) / "forks").mkdir()
        for item in COPIED:
            _copy(ROOT / item, root / item)
        command = [sys.executable, "-P", "-m", "tests.mutants", *sys.argv[1:], "--in-copy", name]
        status = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}).returncode
    sys.exit(status)


def _main_in_copy(options: argparse.Namespace, folder: Path) -> NoReturn:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distd-mutants"
    files = [path.relative_to(ROOT).as_posix() for source in SOURCES for path in sorted((ROOT / source).rglob("*.py"))]
    modules = _matching(files, options.modules or MODULES)
    if not modules:
        sys.exit("python -m tests.mutants: no such module")
    plan = Plan(
        root=ROOT,
        folder=folder / "forks",
        cache=cache,
        modules=modules,
        measured=sorted({*_matching(files, MODULES), *modules}),
        again=read_last(cache, modules) if options.again else None,
        seed=options.seed,
        per_module=options.per_module,
        parallel=options.jobs,
        limit_s=options.minutes * 60,
    )
    verdicts: list[Verdict] = []
    out = sys.stdout
    status = collect(options.tests or TESTS, lambda collected: verdicts.extend(run(plan, collected, out)))
    if status:
        sys.exit(status)
    write_last(cache, verdicts)
    sys.exit(print_report(verdicts, Path(__file__).with_name("equivalent.toml")))


def _matching(files: list[str], patterns: list[str]) -> list[str]:
    return [file for file in files if any(fnmatch(file, pattern) for pattern in patterns)]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "results"))
    else:
        shutil.copy2(source, target)


def _parser() -> argparse.ArgumentParser:
    summary, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        "python -m tests.mutants", description=summary, epilog=more, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="files or patterns (those of the data plane)")
    parser.add_argument("--minutes", type=float, default=60, help="begin no change after so long (60)")
    parser.add_argument("--per-module", type=int, default=150, help="at most so many of each module, drawn (150)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time (one for each core)")
    parser.add_argument("--again", action="store_true", help="only those that no test noticed the last time")
    parser.add_argument("--in-copy", help=argparse.SUPPRESS)
    parser.add_argument("--tests", action="append", metavar="PATH", help="only tests of these files or folders")
    return parser


if __name__ == "__main__":
    main()
