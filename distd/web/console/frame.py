"""What every page has: who is signed in, the language, the theme, the navigation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quart import Response, current_app, g, request

from distd.domain.permissions import Act, missing
from distd.web.console import static_files
from distd.web.console.help_texts import topic_of
from distd.web.console.language import iso

if TYPE_CHECKING:
    from distd.domain.permissions import OperatorRights
    from distd.origin.operators.sessions import ConsoleSession
    from distd.web.console.language import Language

THEMES: Final = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """An entry of the navigation. `text` is English; `count`: the number beside it has this name in the frame's;
    `others`: further pages that are below it. `act`: it is there for those who may do this; empty: for all."""

    text: str
    path: str
    icon: str
    count: str = ""
    others: tuple[str, ...] = ()
    act: str = ""

    def leads_to(self, path: str) -> bool:
        """Whether a page is below it."""
        paths = (self.path, *self.others)
        return path in paths or any(each != "/" and path.startswith(f"{each}/") for each in paths)


# The pages that there are. An empty entry is a gap.
NAVIGATION: Final = (
    NavigationEntry("Overview", "/", "home"),
    NavigationEntry(
        "Packages", "/packages", "package", "packages", others=("/sets", "/recurrences", "/sources", "/package-acts")
    ),
    NavigationEntry(
        "Computers",
        "/computers",
        "computer",
        "computers",
        others=("/assign", *(f"/computer-{act}" for act in ("groups", "parameters", "values", "merges", "deletions"))),
    ),
    NavigationEntry("Groups", "/groups", "group"),
    NavigationEntry("Roll-outs", "/rollouts", "deployment", act="rollouts.read"),
    NavigationEntry("Redistribution", "/mirrors", "mirror", others=("/mirror-rules",)),
    NavigationEntry("", "", ""),
    NavigationEntry("Settings", "/settings", "settings", others=("/operators", "/tokens", "/notices", "/account")),
    NavigationEntry("Journal", "/events", "audit"),
    NavigationEntry("Help", "/help", "help"),
)


@dataclass(slots=True)
class Frame:
    """Of one request. `session` and `access`, what its operator may, are None before the sign-in; `counts` are the
    numbers in the navigation."""

    language: Language
    theme: str
    now_s: float
    session: ConsoleSession | None = None
    counts: dict[str, int] | None = None
    access: OperatorRights | None = None

    @property
    def operator(self) -> str:
        """Who is signed in; empty: nobody."""
        return self.session.operator if self.session else ""

    def may(self, act: str) -> bool:
        """Whether who is signed in may do an act, by its name."""
        return self.access is not None and not missing(self.access, Act(act))


def current() -> Frame:
    """The frame of this request."""
    frame: Frame = g.frame
    return frame


def is_fragment() -> bool:
    """Whether htmx asks for a part of a page, not for the page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


async def page(template: str, status: int = 200, **values: Any) -> Response:
    """The answer with a page, from its template."""
    text = current_app.jinja_env.get_template(template).render(values_of_templates() | values)
    return Response(text, status, content_type="text/html; charset=utf-8")


def values_of_templates() -> dict[str, Any]:
    """What every template may use."""
    frame = current()
    language = frame.language
    return {
        "frame": frame,
        "may": frame.may,
        "lang": language,
        "_": language.text,
        "ngettext": language.plural,
        "navigation": [entry for entry in NAVIGATION if not entry.act or frame.may(entry.act)],
        "static": static_files.address_of,
        "iso": iso,
        "now_s": frame.now_s,
        "here": request.path,
        "help_topic": topic_of(request.path),
    }


def now_s() -> float:
    """Seconds since 1970, the same during a request."""
    return current().now_s if "frame" in g else time.time()
