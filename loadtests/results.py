"""Where figures go: the terminal, a page and JSON in `results/`, and the bench's section of RESULTS.md."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from agentsim.report.terminal import show
from distd.report.html_page import write_page
from distd.report.page import Table, Tone, Verdict
from loadtests.machine import facts as machine_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from distd.report.page import Part

HERE = Path(__file__).parent
FOLDER = HERE / "results"
RESULTS = HERE / "RESULTS.md"
HEAD = """\
# What was measured

Each section is written by the command in it; run it again to have the figures of your machine. The pages with plots
are written to `loadtests/results/`.
"""


MET = "met"
NOT_MET = "NOT MET"
WITHIN_NOISE = "within the noise"


def verdict(met: bool) -> str:
    """The last cell of a row that has a goal."""
    return MET if met else NOT_MET


def goal_row(what: str, figure: str, goal: str = "", met: bool | None = None) -> list[str]:
    """A row of `goal_table`. `met`: None where there is no goal."""
    return [what, figure, goal, "" if met is None else verdict(met)]


def goal_table(title: str, rows: Sequence[Sequence[str]]) -> Table:
    """A table of rows that `goal_row` made."""
    return Table(title, ("what", "figure", "goal", ""), rows)


def missed(rows: Iterable[Sequence[str]]) -> list[str]:
    """The first cells of the rows whose goal was not met."""
    return [row[0] for row in rows if row[-1] == NOT_MET]


def judgement(tables: Sequence[Table], failures: int = 0) -> Verdict:
    """What stands on top of a page: how many goals are met, and which are not. `failures`: slices that do not count."""
    judged = [row for table in tables for row in table.rows if row[-1] in (MET, NOT_MET, WITHIN_NOISE)]
    names, noisy = missed(judged), sum(row[-1] == WITHIN_NOISE for row in judged)
    more = f"{noisy} of them within the noise." if noisy else ""
    if failures:
        more = f"{more} {failures} measurements failed and are not counted.".strip()
    if not judged:
        return Verdict(Tone.NEUTRAL, "Measured", "These figures have no goals.", more)
    goals = f"{len(judged)} goals" if len(judged) > 1 else "1 goal"
    if names:
        count = f"{len(names)} of {goals} {'is' if len(names) == 1 else 'are'} not met"
        return Verdict(Tone.BAD, "Failed", f"{count}: {'; '.join(names)}.", more)
    return Verdict(Tone.GOOD, "Passed", f"All {goals} are met." if len(judged) > 1 else "The goal is met.", more)


def finish(tables: Sequence[Table]) -> NoReturn:
    """End the program when everything is written: with status 1 and a line of the goals that were not met, if any.

    "within the noise" counts as met.
    """
    names = missed(row for table in tables for row in table.rows)
    sys.exit(f"{NOT_MET}: {'; '.join(names)}" if names else 0)


def publish(
    name: str,
    title: str,
    command: str,
    tables: Sequence[Table],
    plots: Sequence[Part] = (),
    more: Mapping[str, Any] | None = None,
    programs: Sequence[str] = (),
) -> None:
    """Print the tables and write them to the page, the JSON and RESULTS.md, under `name`.

    `command`: makes them again; `more`: more keys for the JSON; `programs`: whose versions matter.
    """
    show(tables)
    facts = machine_facts(*programs)
    FOLDER.mkdir(exist_ok=True)
    page = write_page(title, judgement(tables), [*tables, *plots], {"command": command, **facts})
    (FOLDER / f"{name}.html").write_text(page, "utf-8")
    found = {"command": command, "facts": facts, "tables": [asdict(table) for table in tables], **(more or {})}
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), "utf-8")
    note(name, section(title, command, facts, tables))


def note(name: str, content: str) -> None:
    """Write the section `name` of RESULTS.md, in place of the one before."""
    before = RESULTS.read_text("utf-8") if RESULTS.exists() else HEAD
    RESULTS.write_text(put_section(before, name, content), "utf-8")


def section(title: str, command: str, facts: Mapping[str, str], tables: Sequence[Table]) -> str:
    """The Markdown of a section."""
    origin = f"`{command}`, {facts['date']}, {facts['machine']}, {facts['system']}, {facts['versions']}, "
    parts = [f"## {title}", origin + f"commit {facts['commit']}."]
    for table in tables:
        parts += [f"**{table.title}.**" + (f" {table.note}" if table.note else ""), markdown(table)]
    return "\n\n".join(parts)


def markdown(table: Table) -> str:
    """A table of Markdown."""
    rows = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def put_section(text: str, name: str, content: str) -> str:
    """`text` with `content` between the markers of `name`; at the end, where it has none yet."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if found and not closed:
        raise ValueError(f"expected {end}")
    if not found:
        before, after = f"{text.rstrip()}\n\n", "\n"
    return f"{before}{begin}\n{content}\n{end}{after}"
