"""What the process that `forked` forks has imported: all that the programs need to serve."""

from __future__ import annotations

from importlib import import_module

for _name in (
    "distd.cli.main",
    "distd.cli.serve",
    "distd.server.process",
    "distd.server.supervisor",
    "redistrib.cli",
    "agentsim.cli",
    "agentsim.load",
):
    import_module(_name)
