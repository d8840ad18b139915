"""A written page as a reader finds it: what it says, its tables, its plots, its policy."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any, Final

VOID: Final = {"meta"}


class ParsedPage(HTMLParser):
    """Checks while it reads that every element that begins ends, in its turn.

    `tables`: rows of cells (head first) by the title of their panel. `texts`: what stands in each kind of element.
    `policy`: sources by directive. `inline`: the scripts and styles that are run, as they stand there.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.classes: dict[str, list[list[str]]] = {}
        self.panels: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {}
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self.data: list[Any] = []
        self.policy: dict[str, list[str]] = {}
        self._open: list[str] = []
        self._attributes: list[dict[str, str]] = []
        self._panel, self._title = "", ""
        self.feed(page)
        self.close()
        assert self._open == []
        assert set(self.policy) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.references += [value for name, value in found.items() if name in ("href", "src", "action", "xlink:href")]
        self.handlers += [name for name in found if name.startswith("on") or name == "style"]
        if found.get("http-equiv") == "Content-Security-Policy":
            parts = (part.split() for part in found["content"].split(";"))
            self.policy = {name: sources for name, *sources in parts}
        if tag not in VOID:
            self._open.append(tag)
            self._attributes.append(found)
            self.texts.setdefault(tag, []).append("")
        if tag == "section":
            self._panel, self._title = found.get("class", ""), ""
        elif tag == "tr" and self._title:
            self.tables.setdefault(self._title, []).append([])
            self.classes.setdefault(self._title, []).append([])
        elif tag in ("td", "th") and self._title:
            self.tables[self._title][-1].append("")
            self.classes[self._title][-1].append(found.get("class", ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._attributes.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            assert not data.strip()
            return
        tag = self._open[-1]
        if tag == "script" and self._attributes[-1].get("type") == "application/json":
            self.data = json.loads(data)
            return
        if tag in self.inline:
            self.inline[tag].append(data)
            return
        self.texts[tag][-1] += data
        if tag == "h2":
            self._title = data
            self.panels[data] = self._panel
        if self._title and ("td" in self._open or "th" in self._open):
            self.tables[self._title][-1][-1] += data.strip()

    @property
    def words(self) -> str:
        """All that is shown, without what only titles and scripts hold."""
        shown = (text for tag, texts in self.texts.items() if tag != "title" for text in texts)
        return " ".join(" ".join(shown).split())
