"""Bodies of requests are received when they are wanted, not before: Quart would take what anybody sends.

Until then hypercorn reads a few pieces of the body, and the client waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable
    from quart.wrappers import Request

BODY_TIMEOUT_S: Final = 10


class LateBodyRequest(TrioRequest):
    """A request whose body comes once somebody wants it, and then within `BODY_TIMEOUT_S` (else 408)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wanted = trio.Event()
        if self.content_length in (None, 0) and "Transfer-Encoding" not in self.headers:
            self.want_body()  # there is none: its end is received, and then that the client disconnects

    def limit_body(self, max_bytes: int) -> None:
        """Take no more bytes than that (else 413), of a body that nobody has wanted yet."""
        if not self._wanted.is_set():
            self.body = self.body_class(self.content_length, max_bytes)

    def want_body(self) -> None:
        """Receive it from now on."""
        self._wanted.set()

    async def _load_form_data(self) -> None:
        self.want_body()
        await super()._load_form_data()

    async def get_data(self, *args: Any, **kwargs: Any) -> Any:
        """As Quart has it."""
        self.want_body()
        return await super().get_data(*args, **kwargs)

    async def wait_until_wanted(self) -> None:
        """Until somebody wants the body."""
        await self._wanted.wait()


class _Connection(TrioASGIHTTPConnection):
    async def handle_messages(  # type: ignore[override]  # as its own base
        self, nursery: trio.Nursery, request: Request, receive: ASGIReceiveCallable
    ) -> None:
        assert isinstance(request, LateBodyRequest)
        await request.wait_until_wanted()
        await super().handle_messages(nursery, request, receive)


class LateBodyApp(QuartTrio):
    """An application of such requests."""

    request_class = LateBodyRequest
    asgi_http_class = _Connection

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
