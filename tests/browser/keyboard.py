"""An operator without a mouse: Tab leads to a control, keys work it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Page

MAX_TABS: Final = 80
# What the control with the focus is called, as a reader of the screen says it, nearly.
NAME: Final = """() => {
  const at = document.activeElement;
  const words = at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent || "";
  return words.replace(/\\s+/g, " ").trim();
}"""


class Keyboard:
    """Of one page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, name: str) -> None:
        """The next control with this name. Raises `AssertionError` where Tab does not lead there."""
        for _ in range(MAX_TABS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(NAME) == name:
                return
        raise AssertionError(f"Tab does not lead to {name!r}")

    def press(self, name: str, key: str = "Enter") -> None:
        """Press a key on a control."""
        self.to(name)
        self.page.keyboard.press(key)

    def type(self, name: str, text: str) -> None:
        """Take the place of what is in an input; of a list, choose what begins so."""
        self.to(name)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def go(self, name: str) -> None:
        """Press Enter on a link or a button that leads to another page, and wait for it."""
        with self.page.expect_navigation():
            self.press(name)
