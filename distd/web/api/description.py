"""What the API says of itself: operations as records, and the OpenAPI document that is made of them.

What routes say is in their code: docstrings, the dataclasses of their answers and queries, and `answers` for the rest.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from distd.web.api.answer_fields import ANSWER_FIELDS, FIELD_MEANINGS
from distd.web.api.problems import Problem
from distd.wire.problem import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Route = TypeVar("Route", bound=Callable[..., Any])

JSON: Final = "application/json"
REFERENCE: Final = "#/components/schemas/{name}"
TEXT: Final = {"type": "string"}

_NOTES: Final = "_distd_notes"

# What a status means here, where it does not come from one route alone.
MEANINGS: Final[Mapping[int, str]] = {
    400: "A parameter, a header field or a body that cannot be used; `errors` says which, and what was expected.",
    401: "The request needs a log-in: an operator's name and password, a token, or the key of a mirror.",
    403: "Who asks may not do this, or a browser has sent it for a page of another site; `errors` says which.",
    404: "There is nothing of this name.",
    405: "The path has other methods: see `Allow`.",
    408: "The request did not come in time.",
    409: "The present state forbids it: it is in use, or a limit of what may be there is reached.",
    411: "The length of the body must be known before it (`Content-Length`).",
    412: "It is no longer as `If-Match` says, or there is nothing to be replaced.",
    413: "The body is over its limit.",
    415: "The body is compressed; only `identity` is taken.",
    422: "What came is not what its digest says, or its `Idempotency-Key` was sent with another request.",
    429: "The address or the operator asks too often, or for too much at once: see `Retry-After`.",
    431: "The head of the request is over its limit.",
    500: "A fault of the server.",
    503: "The catalogue does not answer at present, or too much is going on: see `Retry-After`.",
    507: "The disk is full, or a quota is used up.",
}
# Whatever is asked for: by another method, too slowly, too often, with too long a head; or when the server has a fault.
ANYWHERE: Final = (405, 408, 429, 431, 500)
SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {"operator": ("operator", "token")}  # one of them suffices
_FIELDS: Final = {
    401: "WWW-Authenticate",
    405: "Allow",
    415: "Accept-Encoding",
    429: "Retry-After",
    503: "Retry-After",
}


@dataclass(frozen=True, slots=True)
class Success:
    """An answer that is no problem: `model` is the type of what it holds (None: text), `also` what other content types
    hold that can be asked for; `tagged`: it has an ETag."""

    text: str
    model: Any = None
    content_type: str = JSON
    also: Mapping[str, str] = field(default_factory=dict)
    tagged: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """A method of a path. `body`: content type of the request's body, and its type (None: bytes). `problems` are the
    statuses of errors, `security` names the scheme; "": none."""

    path: str
    method: str
    name: str
    text: str
    successes: Mapping[int, Success]
    problems: Sequence[int] = ()
    parameters: Sequence[dict[str, Any]] = ()
    security: str = ""
    body: tuple[str, Any] | None = None
    extended: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    """More properties of problems, by status."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What a route says by `answers`."""

    model: Any = None
    content_type: str = JSON
    body: Any = None
    problems: tuple[int, ...] = ()
    parameters: tuple[dict[str, Any], ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    tagged: bool = False
    """The answer has an ETag."""
    is_tried: bool = False
    """It can be tried, which has status 200."""


def answers(model: Any = None, **notes: Any) -> Callable[[Route], Route]:
    """Note what a route answers with, and more of `Notes`, for the description."""

    def decorate(route: Route) -> Route:
        setattr(route, _NOTES, Notes(model, **notes))
        return route

    return decorate


def notes_of(route: object) -> Notes:
    """What was noted."""
    notes: Notes = getattr(route, _NOTES, Notes())
    return notes


def header(name: str, text: str, **schema: Any) -> dict[str, Any]:
    """A header field of requests, as a parameter; `schema` without a type is one of texts."""
    return {"name": name, "in": "header", "description": text, "schema": TEXT | schema}


def in_path(name: str, text: str, **schema: Any) -> dict[str, Any]:
    """A part of the path, as a parameter."""
    return {"name": name, "in": "path", "required": True, "description": text, "schema": TEXT | schema}


def document(operations: Sequence[Described]) -> dict[str, Any]:
    """`paths` and `components` of an OpenAPI document: all types that are named are in it."""
    models = [Problem, *_models_of(operations)]
    references, shapes = msgspec.json.schema_components(models, ref_template=REFERENCE)
    by_model = dict(zip(map(repr, models), references, strict=True))
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _describe(operation, by_model)
    statuses = sorted({*ANYWHERE, *(status for operation in operations for status in operation.problems)})
    problems = {_name_of(status): _describe_problem(status, by_model) for status in statuses}
    fields = {
        _plain_name(name): {"description": FIELD_MEANINGS[name], "required": True, "schema": {"const": value}}
        for name, value in ANSWER_FIELDS.items()
    }
    components = {"schemas": shapes, "responses": problems, "headers": fields}
    return {"paths": _plain(paths), "components": _plain(components)}


def _plain(schema: Any) -> Any:
    """A schema in lists and dicts of its own, without the indentation of docstrings. A tuple whose values are all of
    one kind is a list of fixed length: clients are generated from that more often."""
    match schema:
        case dict():
            found = {name: _plain(value) for name, value in schema.items()}
            if isinstance(found.get("description"), str):
                found["description"] = inspect.cleandoc(found["description"])
            kinds = found.get("prefixItems")
            if kinds and all(kind == kinds[0] for kind in kinds):
                del found["prefixItems"]
                found["items"] = kinds[0]
            return found
        case list() | tuple():
            return [_plain(value) for value in schema]
    return schema


def _models_of(operations: Sequence[Described]) -> list[Any]:
    found = [success.model for operation in operations for success in operation.successes.values()]
    found += [operation.body[1] for operation in operations if operation.body is not None]
    return list({repr(model): model for model in found if model is not None}.values())


def _describe(operation: Described, by_model: Mapping[str, Any]) -> dict[str, Any]:
    summary, _, rest = inspect.cleandoc(operation.text).partition("\n")
    described: dict[str, Any] = {"operationId": operation.name, "summary": summary, "tags": [_tag_of(operation.path)]}
    if rest.strip():
        described["description"] = rest.strip()
    if operation.security:
        described["security"] = [{scheme: []} for scheme in SCHEMES.get(operation.security, (operation.security,))]
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body is not None:
        kind, model = operation.body
        schema = {} if model is None else by_model[repr(model)]
        described["requestBody"] = {"required": True, "content": {kind: {"schema": schema}}}
    responses = {str(status): _describe_success(each, by_model) for status, each in operation.successes.items()}
    for status in sorted({*operation.problems, *ANYWHERE}):
        responses[str(status)] = {"$ref": f"#/components/responses/{_name_of(status)}"}
    for status, properties in operation.extended.items():
        whole = _describe_problem(status, by_model)
        schema = {"allOf": [by_model[repr(Problem)]], "properties": properties}
        responses[str(status)] = whole | {"content": {CONTENT_TYPE: {"schema": schema}}}
    return described | {"responses": responses}


def _describe_success(success: Success, by_model: Mapping[str, Any]) -> dict[str, Any]:
    schema = TEXT if success.model is None else by_model[repr(success.model)]
    content = {success.content_type: {"schema": schema}}
    content |= {kind: {"schema": TEXT | {"description": text}} for kind, text in success.also.items()}
    headers = _answer_fields()
    if success.tagged:
        headers["ETag"] = {"description": "For `If-Match`.", "required": True, "schema": TEXT}
    return {"description": success.text, "headers": headers, "content": content}


def _describe_problem(status: int, by_model: Mapping[str, Any]) -> dict[str, Any]:
    headers = _answer_fields()
    if status in _FIELDS:
        headers[_FIELDS[status]] = {"required": True, "schema": TEXT}
    content = {CONTENT_TYPE: {"schema": by_model[repr(Problem)]}}
    return {"description": MEANINGS[status], "headers": headers, "content": content}


def _answer_fields() -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{_plain_name(name)}"} for name in ANSWER_FIELDS}


def _plain_name(field_name: str) -> str:
    """ "CacheControl" of Cache-Control."""
    return field_name.replace("-", "")


def _name_of(status: int) -> str:
    """ "NotFound" of 404."""
    return "".join(word.capitalize() for word in HTTPStatus(status).name.split("_"))


def _tag_of(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[2].removesuffix(".json") if parts[0] == "api" else "monitoring"
