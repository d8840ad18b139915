"""A setting: its name, type, limits and meaning, and how its value is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from distd.domain.errors import BadInput

Value: TypeAlias = bool | int | str
Check: TypeAlias = Callable[[str, str], object]  # of the value, and where it stood; raises `BadInput`


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting. `name` is "section.key"; `low` and `high` are the limits of an int, both included; a text is one of
    `choices`, or what `check` does not refuse. `restart`: a program that runs reads it at its start only; all others it
    reads again on SIGHUP."""

    name: str
    default: Value
    meaning: str
    low: int = 0
    high: int = 2**31 - 1
    choices: tuple[str, ...] = ()
    check: Check | None = None
    restart: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "DISTD_" + self.name.replace(".", "_").upper()

    @property
    def expected(self) -> str:
        """What a value must be, for error messages."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, int):
            return f"a whole number from {self.low} to {self.high}"
        return ", ".join(self.choices) or "a text"

    def parse_text(self, text: str, where: str) -> Value:
        """The value that a text means, of a variable or of --set. Raises `BadInput` that names `where` it stood."""
        if isinstance(self.default, bool):
            return self.accept(_BOOLEANS.get(text.strip().lower(), text), where)
        if isinstance(self.default, int):
            return self.accept(_whole_number(text), where)
        return self.accept(text, where)

    def accept(self, value: object, where: str) -> Value:
        """`value`, where it is of this setting's type and within its limits. Raises `BadInput`, as `parse_text`."""
        if type(value) is not type(self.default) or not self._is_allowed(value):
            raise BadInput(where, self.expected, value)
        if self.check is not None:
            self.check(str(value), where)
        return value

    def _is_allowed(self, value: object) -> bool:
        if isinstance(value, bool):
            return True
        if isinstance(value, int):
            return self.low <= value <= self.high
        return not self.choices or value in self.choices


_BOOLEANS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def _whole_number(text: str) -> int | str:
    try:
        return int(text) if len(text) <= 20 else text
    except ValueError:
        return text


def setting(default: Value, meaning: str, **limits: Any) -> Any:
    """A field of a section; `limits` are those of `Setting`."""
    return field(default=default, metadata={"meaning": meaning, **limits})
