"""Every page of the console: an address of each, for what holds for all of them.

A page that is new has to come in here (`test_page_table`); then it is looked at in both themes and at three widths.
So is what a form leads to.
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
# Pages that only a form leads to, by the rule it is sent to: what would be done, what is wrong, what is shown
# once. After "?" stands what is sent, as a form.
ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "/account/password": ("/account/password?current=x&password=",),
    "/assign": (
        "/assign?computer={computer}&package={package}&not_before=tomorrow",
        "/assign?computer={computer}&package={package}&not_before=soon",
    ),
    "/computer-deletions": ("/computer-deletions?computer={computer}",),
    "/computer-groups": ("/computer-groups?computer={computer}&step=try&new=Class+B&how=add",),
    "/computer-merges": ("/computer-merges?computer={computer}&computer={other_computer}",),
    "/computer-parameters": (
        "/computer-parameters?computer={computer}&step=try&download.frag_latency_s=5",
        "/computer-parameters?computer={computer}&step=try&download.frag_latency_s=often",
    ),
    "/computer-values": ("/computer-values?computer={computer}&tag=x",),
    "/computers/<path:device_id>/parameters": ("/computers/{computer}/parameters?download.frag_latency_s=often",),
    "/computers/<path:device_id>/values": ("/computers/{computer}/values?key=%00&value=x",),
    "/groups/<name>/<any(edit,members,packages,unassign,parameters,delete):act>": (
        "/groups/{group}/packages?step=try&package={package}",
        "/groups/{group}/members?step=try&computers={computer}&how=remove",
        "/groups/{group}/parameters?step=try&download.frag_latency_s=often",
        "/groups/{group}/edit?step=try&filter=os+~+%3D",
    ),
    "/groups/new": ("/groups/new?kind=dynamic&name=B&filter=pages", "/groups/new?kind=dynamic&name=B&filter=os+~+%3D"),
    "/mirror-rules": ("/mirror-rules?seen=x",),
    "/mirrors/new": ("/mirrors/new?name=", "/mirrors/new?name=paris&url=http://paris.example.org:8080"),
    "/operators": ("/operators?name=&role=viewer", "/operators?name=ann&role=viewer"),
    "/operators/<name>/<any(role,password,delete):act>": ("/operators/admin/role?role=viewer",),
    "/package-acts": ("/package-acts?act=withdraw&package={package}",),
    "/packages/<package_id>/<any(deactivate,withdraw,delete,verify):act>": ("/packages/{package}/delete?",),
    "/packages/<package_id>/activate": ("/packages/{package}/activate?how=date&not_before=soon",),
    "/packages/<package_id>/activate/probe": (
        "/packages/{package}/activate/probe?info_server=localhost:1&fragment_server=localhost:1",
    ),
    "/packages/<package_id>/edit": ("/packages/{package}/edit?name=",),
    "/packages/<package_id>/supersede": ("/packages/{package}/supersede?",),
    "/packages/new": ("/packages/new?name=",),
    "/packages/new/fragments": ("/packages/new/fragments?name=x&os=WINDOWS&action=EXECUTE&command=&priority=5",),
    "/recurrences": ("/recurrences?every_days=0",),
    "/recurrences/<int:recurrence_id>": ("/recurrences/1?every_days=0",),
    "/rollouts/<int:rollout_id>/<act>": ("/rollouts/1/resume?",),
    "/rollouts/new": (
        "/rollouts/new?name=a&package={package}&to=filter&who=pages&waves=50%25%0Arest",
        "/rollouts/new?name=a&package={package}&waves=soon",
    ),
    "/search/filters": ("/search/filters?name=",),
    "/sets/<name>/<any(edit,delete,assign):act>": (
        "/sets/New%20computer/assign?to=filter&who=pages&skip_unfit=yes",
        "/sets/New%20computer/edit?name=",
    ),
    "/sets/new": ("/sets/new?name=",),
    "/settings/parameters": (
        "/settings/parameters?step=try&download.frag_latency_s=5",
        "/settings/parameters?step=try&download.frag_latency_s=often",
    ),
    "/sources": ("/sources?name=",),
    "/sources/<name>": ("/sources/editor?name=",),
    "/tokens": ("/tokens?name=&role=viewer&days=90", "/tokens?name=export&role=viewer&days=90"),
}
# Rules of forms that lead elsewhere, or that the page where they stand would not show another way.
ACTS: Final = frozenset(
    (
        "/account/sign-out-others",
        "/jobs/<job_id>/cancel",
        "/login",
        "/logout",
        "/mirrors/<name>/revoke",
        "/notices/test",
        "/packages/<package_id>/acts/<act>",
        "/preferences",
        "/recurrences/<int:recurrence_id>/delete",
        "/search/filters/delete",
        "/sources/<name>/<any(check,forget):act>",
        "/tokens/revoke",
    )
)
# What comes into a page that is there, or is no page.
PARTS: Final = frozenset(
    (
        "/cacert.pem",
        "/computers/<path:device_id>/inventory.xml",
        "/deployments",
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


def rules(method: str) -> set[str]:
    """The rules of all routes of a method that any class of the console adds."""
    app = QuartTrio("pages", static_folder=None)
    for pages in _classes():
        pages(*(MagicMock() for _ in inspect.signature(pages).parameters)).add_to(app)
    return {str(rule) for rule in app.url_map.iter_rules() if method in (rule.methods or ())}


def _classes() -> Iterator[type[Any]]:
    for module in pkgutil.iter_modules(console.__path__, f"{console.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            is_own = inspect.isclass(value) and value.__module__ == module.name
            if is_own and hasattr(value, "add_to") and not getattr(value, "_is_protocol", False):
                yield value
