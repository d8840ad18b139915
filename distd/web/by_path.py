"""Which application answers: the API, with what monitoring asks, or the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

OF_API: Final = ("/api/", "/healthz/", "/readyz/", "/metrics/")


def by_path(api: ASGIFramework, console: ASGIFramework) -> ASGIFramework:
    """Both as one application. The API's is the one that is told of the server's start and end."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        is_page = scope["type"] != "lifespan" and not f"{scope['path']}/".startswith(OF_API)
        await (console if is_page else api)(scope, receive, send)

    return application
