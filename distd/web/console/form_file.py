"""A file that comes in a form, of a browser without scripts: it becomes an upload.

With scripts a page sends files by parts before the form (`static/upload.js`), and the form has the upload's name.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, cast

from quart import request
from werkzeug.exceptions import RequestEntityTooLarge

from distd.domain.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import FileStorage

    from distd.storage.uploads import Uploads
    from distd.web.console.operations import ConsoleOperations
    from distd.web.late_body import LateBodyRequest

FORM_FILE_BYTES: Final = 33_554_432
FORM_BYTES: Final = 1_048_576  # of all other inputs
FORM_TIMEOUT_S: Final = 300  # on a thin line
PIECE_BYTES: Final = 1_048_576


async def read_form_with_file(uploads: Uploads, operations: ConsoleOperations) -> Mapping[str, str]:
    """The inputs of the present request's form; `upload` names the file that came in `file`, or before. Raises
    `TooLarge`, and what `Uploads.open` raises."""
    late = cast("LateBodyRequest", request)
    limit_bytes = FORM_FILE_BYTES + FORM_BYTES
    if (request.content_length or 0) > limit_bytes:
        raise TooLarge("source", f"a file of at most {FORM_FILE_BYTES} bytes in a form", request.content_length)
    late.limit_body(limit_bytes)
    request.max_content_length = limit_bytes
    request.body_timeout = FORM_TIMEOUT_S
    try:
        values = dict(await request.form)
    except RequestEntityTooLarge:
        raise TooLarge("source", f"a file of at most {FORM_FILE_BYTES} bytes in a form", "a larger one") from None
    file = (await request.files).get("file")
    if file is not None and file.filename:
        values["upload"] = await operations.in_thread(partial(_keep, uploads, file))
    return values


def _keep(uploads: Uploads, file: FileStorage) -> str:
    """Into an upload of the file's name, which it replaces; gives that name."""
    name = (file.filename or "").replace("\\", "/").rpartition("/")[2]
    size_bytes = file.stream.seek(0, 2)
    file.stream.seek(0)
    with uploads.open(name, 0, size_bytes, replace=True) as part:
        while piece := file.stream.read(PIECE_BYTES):
            part.append(piece)
        return part.finish("").name
