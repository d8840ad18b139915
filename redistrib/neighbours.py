"""Where fragments may be had: the server that this mirror follows, the origin, other mirrors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import UNSET

if TYPE_CHECKING:
    from distd.wire.mirror_events import PackageChange, State


class Neighbours:
    """`followed` is the URL of the server that this mirror follows: the origin, or a mirror."""

    def __init__(self, followed: str) -> None:
        self._followed = followed
        self._origin = ""
        self._follows_origin = False
        self._mirrors: list[str] = []

    def learn(self, event: State | PackageChange) -> None:
        """Take what an event says of the origin and its mirrors."""
        if event.http:
            self._origin = f"http://{event.http}/download"
            self._follows_origin = urlsplit(self._followed).netloc == event.https
        if event.mirrors is not UNSET:
            self._mirrors = [f"http://{mirror}/download" for mirror in event.mirrors]

    def sources(self) -> list[str]:
        """URLs of download folders, the best first. The origin is asked by HTTP: the manifest guarantees the bytes."""
        followed = f"{self._followed}/download"
        near = [self._origin, followed] if self._follows_origin else [followed, self._origin]
        return [url for url in (*near, *self._mirrors) if url]

    def redirect_target(self) -> str:
        """The URL of the download folder to which agents are sent for what is not here."""
        return self._origin or f"{self._followed}/download"
