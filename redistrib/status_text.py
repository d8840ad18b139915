"""`redistrib status` for people: labels and units for what a mirror says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.domain.units import format_count, format_rate, format_size, format_volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def status_rows(shown: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """The lines, each a label and a text, of what `read_status` gives; an empty text says nothing.

    `shown` may also have `name` and `origin`, and need have no more than `serving` and `connected`.
    """
    return (
        ("Mirror", shown.get("name", "")),
        ("Origin", shown.get("origin", "")),
        ("Serving", _serving(shown)),
        ("Connected", _connected(shown)),
        ("Packages", f"{shown['packages']:,} of {shown['wanted']:,}" if "wanted" in shown else ""),
        ("Missing", _number(shown, "missing_bytes", format_size)),
        ("Last event", _number(shown, "seq", "{:,}".format)),
        ("Agents", _number(shown, "agents", lambda count: f"{count:,} within the last minute")),
        ("Rate", _number(shown, "bytes_per_s", format_rate)),
        ("Sent", _sent(shown)),
        ("Hits", _hits(shown)),
        ("Redirected", _number(shown, "redirected", lambda count: format_count(count, "request"))),
        ("Bad files", _bad(shown)),
        ("Free on disk", _number(shown, "free_bytes", format_size)),
    )


def _serving(shown: Mapping[str, Any]) -> str:
    if not shown["serving"]:
        return "no"
    return f"yes, version {shown['version']}" if "version" in shown else "yes"


def _connected(shown: Mapping[str, Any]) -> str:
    if shown.get("refused"):
        return "no: the origin does not know this mirror (any more)"
    return "yes" if shown["connected"] else "no"


def _number(shown: Mapping[str, Any], name: str, text: Any) -> str:
    """Nothing for 0."""
    return text(shown[name]) if shown.get(name) else ""


def _sent(shown: Mapping[str, Any]) -> str:
    fragments = shown.get("fragments_sent", 0)
    return f"{format_count(fragments, 'fragment')}, {format_volume(shown.get('sent_bytes', 0))}" if fragments else ""


def _hits(shown: Mapping[str, Any]) -> str:
    hits = shown.get("hits", 0)
    requests = hits + shown.get("misses", 0)
    return f"{hits / requests:.1%} of {requests:,} fragments were here when they were asked for" if requests else ""


def _bad(shown: Mapping[str, Any]) -> str:
    healed, bad = shown.get("healed", 0), shown.get("bad", 0)
    return f"{healed:,} healed, {bad:,} not" if healed or bad else ""
