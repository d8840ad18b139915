"""By what a native agent shows who it is: a log-in once, and from then on a key that only it has.

The agent makes the key, so the server never sends a secret, and a reply that is lost loses nothing: the agent tells the
same key again. It is in the state directory, `key`, and beside it `enrolled` once the server has taken it.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.storage.atomic import write_file

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class AgentAccount:
    """A log-in that the operator gave (`distd login set`); `name` empty: there is none."""

    name: str = ""
    password: str = ""


NO_ACCOUNT = AgentAccount()


class Credentials:
    """Kept in the folder `path`. Without an account, and when it has never enrolled, nothing is sent."""

    def __init__(self, path: Path, account: AgentAccount) -> None:
        self._key_file = path / "key"
        self._enrolled_file = path / "enrolled"
        self._account = account
        if account.name and not self._key_file.exists():
            write_file(self._key_file, secrets.token_hex(KEY_BYTES).encode(), mode=0o600)
        self._key = self._key_file.read_text() if self._key_file.exists() else ""

    @property
    def is_enrolled(self) -> bool:
        """Whether the server knows the key."""
        return bool(self._key) and self._enrolled_file.exists()

    @property
    def key_to_tell(self) -> str:
        """The key that a PROLOG tells; empty: none."""
        return self._key if self._account.name and not self.is_enrolled else ""

    def fields(self) -> tuple[tuple[str, str], ...]:
        """The header fields of a POST."""
        if self.is_enrolled:
            return (("Authorization", f"Bearer {self._key}"),)
        if self._account.name:
            pair = f"{self._account.name}:{self._account.password}".encode()
            return (("Authorization", f"Basic {base64.b64encode(pair).decode()}"),)
        return ()

    def accepted(self) -> None:
        """The server has answered a PROLOG that told the key."""
        if self.key_to_tell:
            write_file(self._enrolled_file, b"")

    def refused(self) -> None:
        """The server does not know the key any more: tell it again at the next contact, if there is an account."""
        if self._account.name:
            self._enrolled_file.unlink(missing_ok=True)
