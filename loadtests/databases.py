"""Data directories whose catalogue is in one database or the other."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.programs.commands import run_command
from tests.programs.postgresql import running_cluster
from tests.programs.processes import DISTD

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASES: Final = ("sqlite", "postgresql")


@contextlib.contextmanager
def new_site(database: str) -> Iterator[Path]:
    """A new data directory for as long as the block lasts. PostgreSQL is one of its own, as durable as in earnest."""
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as folder, contextlib.ExitStack() as stack:
        options: list[str] = []
        if database == "postgresql":
            cluster = stack.enter_context(running_cluster(durable=True))
            options = ["--database", cluster.url(cluster.create_database())]
        data = Path(folder) / "site"
        run_command(DISTD, "init", "--data", data, "--host", "localhost", *options)
        yield data
