"""The answer to a GET or HEAD of a file: its fields, and the pieces of its body."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from distd.wire import http

if TYPE_CHECKING:
    from distd.lane.file_cache import OpenFile

# Bytes as they are, or a span (start, stop) of the file.
Part: TypeAlias = bytes | tuple[int, int]


def of_file(file: OpenFile, selection: http.Selection, *, head_only: bool) -> tuple[bytes, list[Part]]:
    """The fields, with the empty line and what is in memory of the body; then the parts, the last one first."""
    status, spans = selection
    if status == 200:
        return _whole(file, head_only=head_only)
    parts: list[Part] = []
    known = http.validators(file.etag, file.modified_s) + b"\r\n"
    if status == 206 and len(spans) == 1:
        lines = http.single_range_fields(file.content_type, spans[0], file.size)
        parts = [spans[0]]
    elif status == 206:
        lines, parts = _several(file, spans)
    elif status == 416:
        lines = b"Content-Range: bytes */%d\r\nContent-Length: 0\r\n" % file.size
    else:
        lines = b"" if status == 304 else b"Content-Length: 0\r\n"
    return lines + known, [] if head_only else parts


def _whole(file: OpenFile, *, head_only: bool) -> tuple[bytes, list[Part]]:
    if not file.in_memory:
        return file.fields, [] if head_only else [(0, file.size)]
    return file.fields[: len(file.fields) - file.size] if head_only else file.fields, []


def _several(file: OpenFile, spans: tuple[tuple[int, int], ...]) -> tuple[bytes, list[Part]]:
    # The file's own digest stands nowhere in the file, so it is fit for a boundary.
    boundary = b"distd" + file.etag.strip(b'"')[:32]
    fields, heads, closing = http.multipart(file.content_type, spans, file.size, boundary)
    parts: list[Part] = [closing]
    for head, span in zip(reversed(heads), reversed(spans), strict=True):
        parts += [span, head]
    return fields, parts
