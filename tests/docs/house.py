"""The picture of the rooms of distd and what each imports, drawn from the import graph: `distd/docs/house.svg`.

Rows are the rooms, in the order of the layers in `pyproject.toml`; a dot says that the row's room imports the
column's. All dots are to the right of the diagonal: arrows run downwards only.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import grimp

ROOT: Final = Path(__file__).parents[2]
PICTURE: Final = ROOT / "distd/docs/house.svg"
SIBLINGS: Final = ("redistrib", "agentsim")
# What each room is for, in a line.
ROOMS: Final = {
    "redistrib": "a redistribution server: follows the origin, serves the agents near it",
    "agentsim": "a native agent, emulated agents, simulations",
    "distd.cli": "the command distd",
    "distd.terminal": "what the commands of all three programs have in common: options, lists, errors",
    "distd.report": "pages of figures: a verdict, tables, plots, as one HTML file",
    "distd.server": "a serving process: start, reload, drain, workers, metrics",
    "distd.operations": "what operators can ask for, by the API and by commands: tables",
    "distd.web": "the API and the console (quart)",
    "distd.origin": "use cases: agents, packages, computers, deployments, mirrors, operators",
    "distd.lane": "the data plane: HTTP and TLS at full speed; client",
    "distd.catalogue": "the database: schema, migrations, reader, writer, event log",
    "distd.packaging": "from a file to a package: archive, hashing, fragments",
    "distd.storage": "files: data directory, fragment store, uploads, keys",
    "distd.simulation": "deployments in virtual time (pure)",
    "distd.wire": "bytes of the protocols: OCS, HTTP, manifest (pure)",
    "distd.domain": "what deployment is: records, settings, schedules, rules (pure)",
}

ROW: Final = 34
TOP: Final = 112
BOX: Final = 640
CELL: Final = 30
STYLE: Final = (
    "text{font:13px sans-serif;fill:#1b1f24}.name{font-weight:bold}.what{fill:#57606a}"
    ".box{fill:#eef3f8;stroke:#8c9bab}.root{fill:#e3f0e3;stroke:#7f9c7f}.pure{fill:#fbf3df;stroke:#b39b58}"
    ".line{stroke:#d8dee4}.dot{fill:#1f5f99}.self{fill:#c4ccd4}"
)


def layers() -> list[str]:
    """The rooms of distd from top to bottom, as import-linter holds them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    lines = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [room for line in lines for room in line.split(" | ")]


def rooms() -> list[str]:
    """All rooms, composition roots first."""
    return [*SIBLINGS, *layers()]


def imports() -> set[tuple[str, str]]:
    """Pairs (room, room that it imports), typed imports included."""
    graph = grimp.build_graph("distd", *SIBLINGS, cache_dir=None)
    names = rooms()
    owner = {module: name for module in graph.modules for name in names if f"{module}.".startswith(f"{name}.")}
    return {
        (owner[importer], owner[imported])
        for importer in owner
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported in owner and owner[importer] != owner[imported]
    }


def draw(names: list[str], used: set[tuple[str, str]]) -> str:
    """The picture as SVG."""
    width, height = BOX + len(names) * CELL + 60, TOP + len(names) * ROW + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        "<title>The rooms of distd and what each imports</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        '<text x="10" y="24" class="name">Rooms, top to bottom</text>',
        '<text x="10" y="44" class="what">A dot: the room of the row imports that of the column.</text>',
        '<text x="10" y="62" class="what">Green: programs. Yellow: pure, without I/O or clock.</text>',
    ]
    for index, name in enumerate(names):
        x, y = BOX + index * CELL + CELL // 2, TOP + index * ROW
        short = name.removeprefix("distd.")
        kind = _kind(name)
        parts += [
            f'<text transform="translate({x + 4},{TOP - 8}) rotate(-60)">{short}</text>',
            f'<line class="line" x1="{x}" y1="{TOP}" x2="{x}" y2="{TOP + len(names) * ROW - 8}"/>',
            f'<line class="line" x1="{BOX}" y1="{y + 13}" x2="{BOX + len(names) * CELL}" y2="{y + 13}"/>',
            f'<rect class="{kind}" x="10" y="{y}" width="{BOX - 20}" height="{ROW - 8}" rx="4"/>',
            f'<text class="name" x="20" y="{y + 18}">{short}</text>',
            f'<text class="what" x="125" y="{y + 18}">{escape(ROOMS[name])}</text>',
        ]
    for row, name in enumerate(names):
        y = TOP + row * ROW + 13
        parts.append(f'<circle class="self" cx="{BOX + row * CELL + CELL // 2}" cy="{y}" r="3"/>')
        parts += [
            f'<circle class="dot" cx="{BOX + column * CELL + CELL // 2}" cy="{y}" r="6"><title>{name} imports {other}'
            "</title></circle>"
            for column, other in enumerate(names)
            if (name, other) in used
        ]
    return "\n".join([*parts, "</svg>", ""])


def _kind(name: str) -> str:
    if name in (*SIBLINGS, "distd.cli"):
        return "root"
    return "pure" if name in ("distd.simulation", "distd.wire", "distd.domain") else "box"


def picture() -> str:
    """The picture of the code as it is."""
    return draw(rooms(), imports())
