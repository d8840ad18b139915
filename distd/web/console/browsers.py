"""What a browser calls itself, in few words."""

from __future__ import annotations

import re
from typing import Final

# Each says that it is also the ones after it.
BROWSERS: Final = (
    ("Edge", r"Edg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"OPR/(\d+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"(?:(?:Headless)?Chrome|CriOS)/(\d+)"),
    ("Safari", r"Version/(\d+)[\d.]* (?:Mobile/\w+ )?Safari/"),
    ("curl", r"^curl/(\d+)"),
)
SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iOS", "iPhone|iPad"),
    ("macOS", "Mac OS X"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux|X11"),
)


def browser_name(text: str) -> str:
    """Of the field User-Agent: "Firefox 128, Windows"; a part that is not known is left out."""
    names = ((name, re.search(pattern, text)) for name, pattern in BROWSERS)
    browser = next((f"{name} {found[1]}" for name, found in names if found), "")
    system = next((name for name, pattern in SYSTEMS if re.search(pattern, text)), "")
    return ", ".join(filter(None, (browser, system)))
