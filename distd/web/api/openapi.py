"""The OpenAPI document of all that this server answers but for agents: Quart's routes, uploads, and the event stream
to mirrors."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from quart_schema.openapi import QUART_SCHEMA_SECURITY_ATTRIBUTE, OpenAPIProvider
from quart_schema.validation import QUART_SCHEMA_RESPONSE_ATTRIBUTE

from distd.web.api import upload_description
from distd.web.api.description import Described, Success, document, in_path, notes_of
from distd.web.api.queries import describe, query_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.routing import Rule

PATH: Final = "/api/v1/openapi.json"
ABOUT: Final = """\
What operators and monitoring ask of a server; what agents ask is OCS's protocol.

Lists are pages: `items`, `next` (the `cursor` of the page that follows; null: there is none) and `total`. Times
(`…_at_s`) are Unix times in seconds. A parameter that a route does not have is refused (400), and so is one that comes
twice. Edits of what has an ETag take `If-Match`: it is refused (412) when somebody else has changed it. What creates
takes an `Idempotency-Key`: sent again within a day with the same body, it gets the same answer and does nothing. Errors
are problems (RFC 9457). No
answer is kept by caches. Each answer ends its connection."""
PARTS: Final = {
    "package_id": in_path("package_id", "the id of a package: decimal digits", pattern="^[0-9]{1,20}$"),
    "device_id": in_path("device_id", "the DEVICEID of a computer", minLength=1),
    "name": in_path("name", "the name of a redistribution server, or a log-in of agents", minLength=1),
    "job_id": in_path("job_id", "the id of a job", pattern="^[0-9]{1,18}$"),
    "operator": in_path("operator", "the name of an operator", minLength=1),
    "token": in_path("token", "the name of a token", minLength=1),
    "group": in_path("group", "the name of a group", minLength=1),
    "rollout": in_path("rollout", "the id of a roll-out, or its name", minLength=1),
    "set": in_path("set", "the name of a set of packages", minLength=1),
    "recurrence": in_path("recurrence", "the id of a recurrence", pattern="^[0-9]{1,9}$"),
    "source": in_path("source", "the name of a source that is watched", minLength=1),
    "filter_name": in_path("filter_name", "the name of a saved filter", minLength=1),
}
STREAM: Final = Described(
    path="/api/v1/mirror/events",
    method="get",
    name="follow_events",
    text="""What happens to packages, to a mirror that follows: an answer without end.

    Frames of msgpack, between `distd` and `redistrib`: they may change.""",
    successes={
        200: Success("Frames, each with its length before it.", content_type="application/vnd.distd.events"),
    },
    problems=(400, 401),
    parameters=(
        {
            "name": "after",
            "in": "query",
            "description": "the sequence number of the last event that the mirror has processed",
            "schema": {"type": "integer", "minimum": 0, "default": 0},
        },
    ),
    security="mirror",
)

TRIED: Final = "What would be answered; with `dry_run` nothing is changed."
_PART: Final = re.compile(r"<(?:[a-z_]+:)?([^>:]+)>")


class ApiDocument(OpenAPIProvider):
    """Gives quart-schema the document."""

    def schema(self) -> dict[str, Any]:
        """The document. Every type that it names is in it, and nothing is described by Python's own docstrings."""
        operations = [*self._operations(), *upload_description.OPERATIONS, STREAM]
        operations.sort(key=lambda operation: (operation.path, operation.method))
        found = document(operations)
        schemes = self._extension.security_schemes or {}
        found["components"]["securitySchemes"] = {
            name: scheme.schema(camelize=True) for name, scheme in schemes.items()
        }
        info = self._extension.info
        assert info is not None
        return {"openapi": "3.1.0", "info": info.schema(camelize=True) | {"description": ABOUT}, **found}

    def _operations(self) -> Iterator[Described]:
        yield Described(PATH, "get", "describe", "This document.", {200: Success("The document.", dict[str, Any])})
        for rule in self.generate_rules():
            for method in sorted(self.generate_methods(rule)):
                yield self._operation(rule, method.lower())

    def _operation(self, rule: Rule, method: str) -> Described:
        route = self._app.view_functions[rule.endpoint]
        notes, query = notes_of(route), query_of(route)
        models = getattr(route, QUART_SCHEMA_RESPONSE_ATTRIBUTE, {})
        model = models[200][0] if models else notes.model
        text = inspect.getdoc(model) if isinstance(model, type) and model.__module__ != "builtins" else None
        success = Success(text or "Done.", model, notes.content_type, notes.also, notes.tagged)
        tried = {200: replace(success, text=TRIED)} if notes.is_tried else {}
        schemes = [name for scheme in getattr(route, QUART_SCHEMA_SECURITY_ATTRIBUTE, ()) for name in scheme]
        problems = {*notes.problems}
        if "operator" in schemes:
            problems |= {400, 401, 403, 503}
        if rule.arguments:
            problems.add(404)
        return Described(
            path=_PART.sub(r"{\1}", rule.rule),
            method=method,
            name=route.__name__,
            text=inspect.getdoc(route) or "",
            successes=tried | {notes.status: success},
            problems=sorted(problems),
            parameters=[
                *(PARTS[name] for name in _PART.findall(rule.rule)),
                *(describe(query) if query is not None else ()),
                *notes.parameters,
            ],
            security="".join(schemes),
            body=None if notes.body is None else (notes.content_type, notes.body),
        )
