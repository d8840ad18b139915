"""How texts are compared where neither case nor accents count: one function, for what is stored and what is searched.

Databases fold texts differently, and some of them not at all. So a text that is searched is stored folded beside itself
(columns that end in `_key`), and SQL compares these alone. Pure.
"""

from __future__ import annotations

import unicodedata
from typing import Final

KEY_LIMIT: Final = 255  # characters of a key


def fold(text: str, limit: int = KEY_LIMIT) -> str:
    """`text` without case and accents, cut to `limit` characters: "Zoë" and "ZOE" are "zoe".

    What is folded already stays as it is. White space at both ends does not count.
    """
    text = text.strip()
    if text.isascii():
        return text.lower()[:limit]
    decomposed = unicodedata.normalize("NFKD", text)
    # Small letters may consist of several characters, some of which are accents again.
    small = unicodedata.normalize("NFKD", decomposed.casefold()).casefold()
    return "".join(each for each in small if not unicodedata.combining(each))[:limit].strip()
