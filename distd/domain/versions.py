"""Versions as texts whose order is that of the versions. Pure.

The order is dpkg's (deb-version(7)), for versions of all systems: an epoch ("1:"), digits compare as numbers, "~" sorts
before everything, even the end, then letters, then other characters; what follows the last "-" counts only where the
rest is equal. So 115.0.2 < 115.10, 1.0~rc1 < 1.0 < 1.0-1 < 1.0.1, 10.0.9200 < 10.0.19045.

Keys are compared by code points, in databases too (`catalogue.dialect.compared_by_code_points`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

KEY_LIMIT: Final = 255  # characters of a key; what is longer is cut off, and so equal
MAX_DIGITS: Final = 40  # of a number; of a longer one the first digits count

_EPOCH: Final = re.compile("([0-9]+):(.+)", re.DOTALL)
_PAIR: Final = re.compile("([^0-9]*)([0-9]*)")
# The order of characters in a key: "~", the end of a text, letters, all others. A number begins with a character that
# says how many digits it has; it stands where no other character does.
_TILDE: Final = "!"
_END: Final = "#"
_OTHER: Final = "|"
_FIRST_LENGTH: Final = ord("0")
_TEXTS: Final = {"~": _TILDE}


@lru_cache(maxsize=16_384)
def version_key(version: str) -> str:
    """A text of at most `KEY_LIMIT` characters. Versions that dpkg takes for equal (1.0 and 1.00) have the same;
    empty: there is no version, which sorts before all others."""
    version = version.strip()
    if not version:
        return ""
    epoch, rest = "0", version
    if match := _EPOCH.fullmatch(version):
        epoch, rest = match[1], match[2]
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, ""
    return (_number(epoch) + _part(upstream) + _part(revision))[:KEY_LIMIT]


def _part(text: str) -> str:
    """Pairs of a text and a number, an end between them; then one more end."""
    pairs = [_text(letters) + _END + _number(digits) for letters, digits in _PAIR.findall(text) if letters or digits]
    return "".join(pairs or [_END + _number("")]) + _END


def _text(letters: str) -> str:
    return "".join(each if each.isascii() and each.isalpha() else _TEXTS.get(each, _OTHER + each) for each in letters)


def _number(digits: str) -> str:
    digits = digits.lstrip("0")[:MAX_DIGITS]
    return chr(_FIRST_LENGTH + len(digits)) + digits
