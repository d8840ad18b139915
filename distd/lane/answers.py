"""Answers as values: what goes back for a request, before a connection sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from distd.wire import http, problem

if TYPE_CHECKING:
    from distd.lane.file_cache import OpenFile, Part

# A fragment that counts as delivered once its answer has been sent: computer's id, package's id, number, size in bytes.
# There is one for each request, and a plain tuple is made 0.3 µs quicker than one with names.
Delivery: TypeAlias = tuple[int, str, int, int]

TEXT = b"text/plain; charset=utf-8"
PROBLEM = problem.CONTENT_TYPE.encode()


class Answer(NamedTuple):
    """`lines` are what follows on the status line, Server, Date and Connection: fields, the empty line, a body in
    memory. `parts` of `file` come behind them, the last one first."""

    status: int
    lines: bytes
    file: OpenFile | None = None
    parts: list[Part] | None = None
    delivery: Delivery | None = None


def of_text(
    status: int, content: bytes, fields: bytes = b"", content_type: bytes = TEXT, *, head_only: bool = False
) -> Answer:
    """A short answer from memory, which no cache keeps. `fields`: further ones, each with its line end."""
    fields += http.NO_STORE
    if content:
        fields += b"Content-Type: %s\r\n" % content_type
    shown = b"" if head_only else content
    return Answer(status, b"%sContent-Length: %d\r\n\r\n%s" % (fields, len(content), shown))


def of_refusal(status: int, why: str, fields: bytes, *, for_api: bool, head_only: bool) -> Answer:
    """Why a request is not served: a line of text, and to clients of the API a problem."""
    if for_api:
        return of_text(status, problem.body_of(status, why), fields, PROBLEM, head_only=head_only)
    return of_text(status, why.encode() + b"\n", fields, head_only=head_only)


def of_file(
    file: OpenFile, selection: http.Selection, delivery: Delivery | None, *, head_only: bool, cached: bool = True
) -> Answer:
    """The answer to a GET or HEAD of a file, as far as `selection` says. `cached`: caches may keep it."""
    status, spans = selection
    is_kept = cached and status not in (412, 416)
    validators = file.validators if is_kept else http.validators(file.etag, http.NO_STORE)
    if status == 200:
        lines, parts = _whole(file, validators, head_only=head_only)
        return Answer(status, lines, file, parts, delivery)
    parts = []
    if status == 206 and len(spans) == 1:
        lines = http.single_range_fields(file.content_type, spans[0], file.size)
        parts = [file.part(*spans[0])]
    elif status == 206:
        lines, parts = _several(file, spans)
    elif status == 416:
        lines = b"Content-Range: bytes */%d\r\nContent-Length: 0\r\n" % file.size
    else:
        lines = b"" if status == 304 else b"Content-Length: 0\r\n"
    return Answer(status, b"%s%s\r\n" % (lines, validators), file, [] if head_only else parts, delivery)


def _whole(file: OpenFile, validators: bytes, *, head_only: bool) -> tuple[bytes, list[Part]]:
    fields = http.file_fields(file.content_type, file.size, validators)
    if head_only:
        return fields, []
    if not file.in_memory:
        return fields, [(0, file.size)]
    return fields + file.fields[len(file.fields) - file.size :], []


def _several(file: OpenFile, spans: tuple[tuple[int, int], ...]) -> tuple[bytes, list[Part]]:
    # The file's own digest stands nowhere in the file, so it is fit for a boundary.
    boundary = b"distd" + file.etag.strip(b'"')[:32]
    fields, heads, closing = http.multipart(file.content_type, spans, file.size, boundary)
    parts: list[Part] = [closing]
    for head, span in zip(reversed(heads), reversed(spans), strict=True):
        parts += [file.part(*span), head]
    return fields, parts
