"""Every page of the console: an address of each, for what holds for all of them.

A page that is new has to come in here (`test_page_table`); then it is looked at in both themes and at three widths.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import MagicMock

from quart_trio import QuartTrio

from distd.web import console

if TYPE_CHECKING:
    from collections.abc import Iterator

# By the rule of each page some addresses of it; {…} is what `page_site.addresses` knows.
PAGES: Final[dict[str, tuple[str, ...]]] = {
    "/": ("/",),
    "/account": ("/account",),
    "/assign": ("/assign?computer={computer}",),
    "/components": ("/components",),
    "/computers": ("/computers?filter=os+~+%22*windows*%22", "/computers?filter=os+~+%3D"),
    "/computers/<path:device_id>": ("/computers/{computer}",),
    "/computers/<path:device_id>/software": ("/computers/{computer}/software",),
    "/events": ("/events",),
    "/groups": ("/groups",),
    "/groups/<name>": ("/groups/{group}",),
    "/groups/new": ("/groups/new",),
    "/help": ("/help",),
    "/help/<name>": ("/help/packages",),
    "/jobs/<job_id>": ("/jobs/{job}",),
    "/login": ("/login",),
    "/mirror-rules": ("/mirror-rules?computer={computer}",),
    "/mirrors": ("/mirrors",),
    "/mirrors/<name>": ("/mirrors/lyon",),
    "/mirrors/new": ("/mirrors/new",),
    "/notices": ("/notices",),
    "/operators": ("/operators",),
    "/operators/<name>": ("/operators/admin",),
    "/packages": ("/packages",),
    "/packages/<package_id>": ("/packages/{package}",),
    "/packages/<package_id>/<any(deactivate,withdraw,delete,verify,edit,supersede):act>": (
        "/packages/{package}/edit",
        "/packages/{package}/withdraw",
    ),
    "/packages/<package_id>/activate": (
        "/packages/{package}/activate?how=manual",
        "/packages/{package}/activate?how=mirrors",
    ),
    "/packages/<package_id>/acts/<act>": ("/packages/{package}/acts/archive?state=SUCCESS",),
    "/packages/<package_id>/deployment": ("/packages/{package}/deployment",),
    "/packages/<package_id>/forecast": ("/packages/{package}/forecast", "/packages/{package}/forecast?by=3d&solve=yes"),
    "/packages/new": ("/packages/new",),
    "/packages/new/fragments": ("/packages/new/fragments?name=x&os=WINDOWS&action=EXECUTE&command=x&priority=5",),
    "/recurrences": ("/recurrences",),
    "/recurrences/<int:recurrence_id>": ("/recurrences/1",),
    "/rollouts": ("/rollouts",),
    "/rollouts/<int:rollout_id>": ("/rollouts/1",),
    "/rollouts/new": ("/rollouts/new",),
    "/sets": ("/sets",),
    "/sets/<name>": ("/sets/New%20computer",),
    "/sets/new": ("/sets/new",),
    "/settings": ("/settings",),
    "/sources": ("/sources",),
    "/sources/<name>": ("/sources/editor",),
    "/tokens": ("/tokens",),
}
# What comes into a page that is there, or is no page.
PARTS: Final = frozenset(
    (
        "/cacert.pem",
        "/computers/<path:device_id>/inventory.xml",
        "/notices/test",
        "/overview/duplicates",
        "/overview/now",
        "/overview/stalls",
        "/package-list.<form>",
        "/packages/<package_id>/deployment/causes",
        "/packages/<package_id>/deployment/computers",
        "/packages/<package_id>/deployment/live",
        "/packages/<package_id>/deployment/numbers",
        "/packages/<package_id>/mirrors",
        "/search/completion",
        "/search/export.<form>",
        "/search/values",
    )
)


def rules() -> set[str]:
    """The rules of all GET routes that any class of the console adds."""
    app = QuartTrio("pages", static_folder=None)
    for pages in _classes():
        pages(*(MagicMock() for _ in inspect.signature(pages).parameters)).add_to(app)
    return {str(rule) for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}


def _classes() -> Iterator[type[Any]]:
    for module in pkgutil.iter_modules(console.__path__, f"{console.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            is_own = inspect.isclass(value) and value.__module__ == module.name
            if is_own and hasattr(value, "add_to") and not getattr(value, "_is_protocol", False):
                yield value
