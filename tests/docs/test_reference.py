"""The reference in the repository is what the code says; the guide and the README point to what is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from distd.domain import errors
from tests.docs import house, reference

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = [
    *(house.ROOT / "distd/docs").rglob("*.md"),
    *(house.ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "loadtests/README.md")),
]
PLANNED = ["web/console"]  # what documents name as not there yet


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


def test_the_reference_is_generated_from_this_code(pages: dict[str, str]) -> None:
    stale = [name for name, text in pages.items() if (reference.FOLDER / name).read_text() != text]
    assert stale == [], "run `make reference`"


def test_every_error_stands_in_the_reference() -> None:
    text = (reference.FOLDER / "errors.md").read_text()
    kinds = [name for name, value in vars(errors).items() if isinstance(value, type) and value is not errors.DistdError]
    assert [name for name in kinds if f"`{name}`" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(house.ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(house.ROOT)))
def test_files_that_are_named_exist(document: Path) -> None:
    """`distd/lane/tls.py`, `tests/programs`, …; also from a room of distd on: `origin/agents/listing.py`."""
    rooms = [name.removeprefix("distd.") for name in house.layers()]
    named = re.findall(
        rf"`((?:distd|redistrib|agentsim|loadtests|tests|{'|'.join(rooms)})/[\w./-]*)`", document.read_text()
    )
    absent = [path for path in named if not ((house.ROOT / path).exists() or (house.ROOT / "distd" / path).exists())]
    assert [path for path in absent if path not in PLANNED] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(house.ROOT)))
def test_commands_in_the_documents_exist(document: Path) -> None:
    """`distd package build`, `redistrib serve`, … as the reference has them."""
    known = set(re.findall(r"^##+ (.*)$", (reference.FOLDER / "commands.md").read_text(), re.MULTILINE))
    groups = {path.rpartition(" ")[0] for path in known}
    unknown = set()
    for words in re.findall(r"(?:^|[\s`(])((?:distd|redistrib|agentsim)(?: [a-z]+)+)", _code(document.read_text())):
        path = words.split()
        while len(path) > 1 and " ".join(path) not in known and " ".join(path[:-1]) not in groups:
            path.pop()
        if " ".join(path) not in known:
            unknown.add(" ".join(path))
    assert unknown == set()


def _code(text: str) -> str:
    """The parts of a document that are set as code."""
    blocks = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", rest)])
