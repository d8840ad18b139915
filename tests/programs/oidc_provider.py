"""An OpenID Connect provider for tests (the package oidc-provider-mock) on a free loopback port."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from tests.programs.processes import child, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path


@contextlib.asynccontextmanager
async def oidc_provider(log: Path, users: Sequence[Mapping[str, Any]]) -> AsyncIterator[str]:
    """A provider whose users have these claims, for as long as the block lasts; gives its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    for user in users:
        command += ["--user-claims", json.dumps(user)]
    async with child(command, log, env={"PATH": os.defpath}):
        await wait_until_listening("127.0.0.1", port)
        yield f"http://127.0.0.1:{port}"
