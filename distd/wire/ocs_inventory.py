"""The CONTENT of an INVENTORY, both ways: what `domain.inventory` keeps of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from distd.domain.inventory import ITEM_CHARACTERS, LONG_TEXT, MAX_ACCOUNT_KEYS, MAX_HISTORY, SECTIONS, TEXT
from distd.domain.records import InventoryRequest
from distd.wire import xml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.inventory import Section

PACKAGE_ID: Final = re.compile("[0-9]{1,20}")


class ContentReader:
    """Takes the elements of CONTENT as they come. `request` is what was kept of them."""

    def __init__(self) -> None:
        self._items: dict[str, list[dict[str, str]]] = {}  # by the name of the section
        self._left_characters = {name: section.characters for name, section in SECTIONS.items()}
        self._account: dict[str, str] = {}
        self._history: set[str] | None = None
        self._is_cut = False
        # Of the section that is open: what is kept of it, and where; None: nothing.
        self._section = ""
        self._fields: Mapping[str, int] = {}
        self._item: dict[str, str] | None = None
        self._key = self._value = ""

    def start(self, path: tuple[str, ...], attributes: dict[str, str]) -> None:
        """An element begins whose path begins with REQUEST, CONTENT."""
        if len(path) == 3:
            self._open(path[2])
        elif attributes and path[2:] == ("DOWNLOAD", "HISTORY", "PACKAGE") and "ID" in attributes:
            self._finished(attributes["ID"])

    def end(self, path: tuple[str, ...], text: str) -> None:
        """An element ends; `text` is what it contains."""
        if len(path) == 4:
            if self._item is not None:
                self._keep(self._item, path[3], text)
            elif path[2] == "ACCOUNTINFO":
                self._end_of_account_field(path[3], text.strip())
        elif len(path) == 3:
            self._item = None
            if path[2] == "ACCOUNTINFO":
                self._end_of_account()
        elif path[2:] == ("DOWNLOAD", "HISTORY", "PACKAGE", "ID"):
            self._finished(text)

    def _open(self, name: str) -> None:
        self._item = None
        section = SECTIONS.get(name)
        if section is not None:
            self._section, self._fields = name, section.fields
            self._item = self._new_item(section)
        elif name == "DOWNLOAD" and self._history is None:
            self._history = set()

    def _new_item(self, section: Section) -> dict[str, str] | None:
        items = self._items.setdefault(section.name, [])
        if section.single and items:
            return items[0]
        if len(items) == (1 if section.single else section.items):
            self._is_cut = True
            return None
        items.append({})
        return items[-1]

    def _keep(self, item: dict[str, str], name: str, text: str) -> None:
        limit = self._fields.get(name)
        if limit is None:
            return
        text = text.strip()
        if len(text) > limit:
            text = text[:limit]
            self._is_cut = True
        left = self._left_characters[self._section] - len(text) - ITEM_CHARACTERS
        if left < 0:
            self._is_cut = True
            return
        self._left_characters[self._section] = left
        item[name] = text

    def _end_of_account_field(self, name: str, text: str) -> None:
        if name == "KEYNAME":
            self._key = text[:TEXT]
        elif name == "KEYVALUE":
            self._value = text[:LONG_TEXT]

    def _end_of_account(self) -> None:
        if self._key and (self._key in self._account or len(self._account) < MAX_ACCOUNT_KEYS):
            self._account[self._key] = self._value
        elif self._key:
            self._is_cut = True
        self._key = self._value = ""

    def _finished(self, package_id: str) -> None:
        assert self._history is not None
        package_id = package_id.strip()
        if PACKAGE_ID.fullmatch(package_id):
            self._history.add(package_id)
            if len(self._history) >= 2 * MAX_HISTORY:
                self._cut_history()

    def _cut_history(self) -> None:
        """The largest ids stay: they are the newest packages, of which the server may tell the agent."""
        if self._history is not None and len(self._history) > MAX_HISTORY:
            self._is_cut = True
            newest = sorted(self._history, key=lambda package_id: (len(package_id), package_id))[-MAX_HISTORY:]
            self._history = set(newest)

    def request(self, device_id: str) -> InventoryRequest:
        """All that was kept."""
        self._cut_history()
        sections: dict[str, Any] = {}
        for section in SECTIONS.values():
            items = self._items.get(section.name, [])
            sections[section.name] = (items[0] if items else {}) if section.single else tuple(items)
        history = None if self._history is None else frozenset(self._history)
        return InventoryRequest(device_id, account=self._account, history=history, is_cut=self._is_cut, **sections)


def write(request: InventoryRequest) -> str:
    """The elements in CONTENT."""
    parts = []
    for name, section in SECTIONS.items():
        found = getattr(request, section.name)
        parts += [xml.element(name, {}, leaves(item)) for item in ([found] if section.single else found) if item]
    parts += [
        xml.element("ACCOUNTINFO", {}, leaves({"KEYNAME": key, "KEYVALUE": value}))
        for key, value in request.account.items()
    ]
    if request.history is not None:
        packages = "".join(xml.element("PACKAGE", {"ID": package_id}) for package_id in sorted(request.history))
        parts.append(xml.element("DOWNLOAD", {}, xml.element("HISTORY", {}, packages)))
    return "".join(parts)


def leaves(values: Mapping[str, str]) -> str:
    """Elements that contain texts."""
    return "".join(xml.leaf(name, value) for name, value in values.items())
