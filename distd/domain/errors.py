"""What can go wrong, sorted by what the caller does next.

==================  =================================  ===========================
class               the caller                         seen as
==================  =================================  ===========================
`BadInput`          corrects what it gave              exit status 2, HTTP 400
`TooLarge`          gives less                         exit status 2, HTTP 413
`DigestMismatch`    sends it again                     exit status 2, HTTP 422
`NotFound`          names something that exists        exit status 2, HTTP 404
`Conflict`          waits, or resolves the conflict    exit status 1, HTTP 409
`Corrupt`           discards, fetches elsewhere        exit status 1, HTTP 500
`Unavailable`       retries or fails over              exit status 1, HTTP 503
`Unreachable`       the same, but later                exit status 1, HTTP 503
`NoSpace`           frees the disk                     exit status 1, HTTP 507
==================  =================================  ===========================

Any other exception that escapes is a bug. It ends the process; of a server only the request, or this one time of a
background work (`server.repeating`), and the log has its traceback.
"""


class DistdError(Exception):
    """The root. Never raised itself."""

    def __reduce__(self) -> tuple[object, ...]:
        # Else a copy would be made by a class's own `__init__` of what that has given its root.
        return _copied, (type(self), self.args, self.__dict__)


class BadInput(DistdError):
    """A value from outside that cannot be used.

    `field` is the path of the value ("priority", "notify.countdown_s"; in an agent's message "REQUEST/DEVICEID"): the
    command line shows the option in its place, a page its input. `expected` says what would be accepted, `got` is the
    value, `hint` says what to do about it (may be empty).
    """

    def __init__(self, field: str, expected: str, got: object, hint: str = "") -> None:
        super().__init__(field, expected, got, hint)
        self.field = field
        self.expected = expected
        self.got = got
        self.hint = hint

    def __str__(self) -> str:
        message = f"{self.field}: expected {self.expected}, got {shorten(self.got)}"
        return writable(f"{message}; {self.hint}" if self.hint else message)


class TooLarge(BadInput):
    """A body over its limit (HTTP 413)."""


class DigestMismatch(BadInput):
    """What was sent is not what its sender's digest says (HTTP 422)."""


class NotFound(BadInput):
    """A name of something that does not exist here."""


class Conflict(DistdError):
    """The request is valid, but the present state forbids it. `field` and `hint` as in `BadInput`."""

    def __init__(self, field: str, message: str, hint: str = "") -> None:
        super().__init__(field, message, hint)
        self.field = field
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        message = f"{self.field}: {self.message}"
        return writable(f"{message}; {self.hint}" if self.hint else message)


class Corrupt(DistdError):
    """Bytes that are not what their digest, signature or format says. `what` names them ("fragment 3 of 17")."""

    def __init__(self, what: str, expected: str, got: str) -> None:
        super().__init__(what, expected, got)
        self.what = what
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return writable(f"{self.what}: expected {self.expected}, got {self.got}")


class Unavailable(DistdError):
    """Something does not answer at present. `what` names it, `why` says how it failed."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what, why)
        self.what = what
        self.why = why

    def __str__(self) -> str:
        return writable(f"{self.what}: {self.why}")


class Unreachable(Unavailable):
    """It is known not to answer for a while: who has others that wait does not try again by itself."""


class NoSpace(Unavailable):
    """The disk is full, or a quota is used up (HTTP 507)."""


def shorten(value: object, limit: int = 120) -> str:
    """A value in one line of at most `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    text = writable(text).replace("\n", "\\n").replace("\r", "\\r") or "nothing"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def writable(text: str) -> str:
    """A text that can be encoded and kept by every database: what a path has of bytes that are no UTF-8 (Python keeps
    them as lone surrogates), and NUL, is escaped."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _copied(kind: type[DistdError], args: tuple[object, ...], values: dict[str, object]) -> DistdError:
    made = kind.__new__(kind)
    made.args = args
    made.__dict__.update(values)
    return made
