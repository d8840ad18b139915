"""What the API's description says of uploads, which a raw ASGI application answers: `web.api.uploads`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from distd.storage.uploads import Upload
from distd.web.api.description import Described, Success, header, in_path

PATH: Final = "/api/v1/uploads"


@dataclass
class UploadPage:
    """Uploads, by name: all of them."""

    items: list[Upload]
    next: str | None
    total: int


@dataclass
class RemovedUpload:
    """The name of the upload that is no longer there."""

    name: str


_NAME: Final = in_path(
    "name",
    "the name of a file: at most 200 characters of Unicode and 249 bytes in UTF-8, without slashes and control"
    " characters, not beginning with a dot; it is kept in normal form C",
    pattern=r"^[^./\\\s\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*$",
)
_REPLACE: Final = header(
    "If-Match", "`*`: replace the whole file of this name; without it that is refused (409)", pattern="^\\*$"
)
_RANGE: Final = header(
    "Content-Range",
    "where a part belongs in the whole: `bytes FIRST-LAST/TOTAL`",
    pattern="^bytes [0-9]{1,15}-[0-9]{1,15}/[0-9]{1,15}$",
)
_DIGEST: Final = header(
    "Blake3", "the BLAKE3 of the whole file in hexadecimal, checked when it is whole", pattern="^[0-9A-Fa-f]{64}$"
)
_OFFSET: Final = {"size_bytes": {"type": "integer", "description": "so much has come: the next part begins there"}}

OPERATIONS: Final = (
    Described(
        PATH,
        "get",
        "list_uploads",
        "Files that were uploaded, and those of which a part has come.",
        {200: Success("Uploads, by name: all of them.", UploadPage)},
        (400, 401, 403, 503),
        security="operator",
    ),
    Described(
        f"{PATH}/{{name}}",
        "get",
        "show_upload",
        "How much of a file has come, and where it is when it is whole.",
        {200: Success("An upload.", Upload)},
        (400, 401, 403, 404, 503),
        (_NAME,),
        security="operator",
    ),
    Described(
        f"{PATH}/{{name}}",
        "put",
        "upload",
        """Upload a file, or a part of it.

        A part has `Content-Range`, and begins where the one before has ended; one that begins at 0 begins anew. What
        has come of a body stays when its connection breaks. The length of a body must be known before it. A file that
        is whole is replaced only with `If-Match: *`, which the parts after the first need not have.""",
        {
            201: Success("The file is whole, at `path`.", Upload),
            202: Success("The part has come; the next one begins at `size_bytes`.", Upload),
        },
        (400, 401, 403, 409, 411, 412, 413, 415, 422, 503, 507),
        (_NAME, _RANGE, _DIGEST, _REPLACE),
        security="operator",
        body=("application/octet-stream", None),
        extended={409: _OFFSET},
    ),
    Described(
        f"{PATH}/{{name}}",
        "delete",
        "remove_upload",
        "Remove an upload, whether it is whole or not.",
        {200: Success("It is removed.", RemovedUpload)},
        (400, 401, 403, 404, 503),
        (_NAME,),
        security="operator",
    ),
)
