"""The form of a new package: what is typed, the order that it makes, and beside which input an error belongs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlencode

from distd.domain import recipes
from distd.domain.errors import BadInput
from distd.domain.records import Action, OperatingSystem
from distd.origin.packages.orders import DEFAULT_PRIORITY, FragmentOrder, NotifyChange, PackageOrder, UploadSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.errors import DistdError

# The input of each action's target.
TARGETS: Final = {Action.STORE: "path", Action.LAUNCH: "launch", Action.EXECUTE: "command"}
Code = TypeVar("Code", Action, OperatingSystem)
RECIPE: Final = "recipe "  # before the name of a recipe that is chosen instead of an action
NAMES: Final = (
    "name",
    "description",
    "os",
    "priority",
    "action",
    *TARGETS.values(),
    "arguments",
    "upload",
    "notify_text",
    "notify_countdown_s",
    "notify_can_abort",
    "notify_can_delay",
    "done_action_text",
)
MAX_QUERY: Final = 8000  # characters: between the steps all of it stands in the address
MAX_COUNTDOWN_S: Final = 86_400
# The input of a field path, where it has another name.
INPUTS: Final = {
    "source": "file",
    "source.upload": "file",
    "Content-Length": "file",
    "uploads": "file",
    "upload": "file",
    "recipe": "action",
    "notify.text": "notify_text",
    "notify.countdown_s": "notify_countdown_s",
    "notify.done_action_text": "done_action_text",
    "fragments.size_bytes": "size",
    "fragments.count": "count",
}


@dataclass(frozen=True, slots=True)
class PackageForm:
    """`values` by the inputs' names; what is not there is empty."""

    values: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def query(self, **more: str) -> str:
        """All of it, for an address. Raises `BadInput` when it is too long for one."""
        given = {name: self[name] for name in NAMES if self[name]} | more
        text = urlencode(given)
        if len(text) > MAX_QUERY:
            longest = max(given, key=lambda name: len(given[name]))
            hint = "the package can be edited later"
            raise BadInput(longest, "a shorter text in this form", f"{len(given[longest])} characters", hint)
        return text

    def order(self, fragments: FragmentOrder | None = None) -> PackageOrder:
        """What is to be made. Raises `BadInput`."""
        chosen = self["action"]
        recipe = chosen.removeprefix(RECIPE) if chosen.startswith(RECIPE) else None
        if recipe is not None and recipe not in recipes.TABLE:
            raise BadInput("recipe", f"one of {', '.join(recipes.TABLE)}", recipe)
        action = None if recipe is not None else _one_of(Action, chosen, "action")
        return PackageOrder(
            name=self["name"].strip(),
            os=_one_of(OperatingSystem, self["os"], "os"),
            action=action,
            target="" if action is None else self[TARGETS[action]].strip(),
            recipe=recipe,
            arguments=self["arguments"].strip() if recipe is not None else "",
            priority=_number(self["priority"], "priority", DEFAULT_PRIORITY),
            source=UploadSource(self["upload"], remove=True) if self["upload"] else None,
            fragments=FragmentOrder() if fragments is None else fragments,
            notify=self._notify(),
            description=self["description"].strip(),
        )

    def input_of(self, error: DistdError) -> str:
        """The name of the input that an error belongs to; "": none."""
        path = str(getattr(error, "field", ""))
        if path == "target":
            return next((name for action, name in TARGETS.items() if action == self["action"]), "action")
        return INPUTS.get(path, path if path in (*NAMES, "size", "count") else "")

    def _notify(self) -> NotifyChange:
        countdown_s = _number(self["notify_countdown_s"], "notify.countdown_s", 0)
        if not 0 <= countdown_s <= MAX_COUNTDOWN_S:
            raise BadInput("notify.countdown_s", f"0 to {MAX_COUNTDOWN_S} seconds", countdown_s)
        return NotifyChange(
            text=self["notify_text"].strip(),
            countdown_s=countdown_s,
            can_abort=bool(self["notify_can_abort"]),
            can_delay=bool(self["notify_can_delay"]),
            done_action_text=self["done_action_text"].strip(),
        )


def read_form(values: Mapping[str, str]) -> PackageForm:
    """What was sent, without what is not of this form. A new form has the defaults."""
    return PackageForm({name: values[name] for name in NAMES if values.get(name)})


NEW: Final = PackageForm({"os": "WINDOWS", "priority": str(DEFAULT_PRIORITY), "action": Action.STORE.value})


def _one_of(kind: type[Code], text: str, name: str) -> Code:
    try:
        return kind(text)
    except ValueError:
        raise BadInput(name, f"one of {', '.join(kind)}", text) from None


def _number(text: str, name: str, default: int) -> int:
    text = text.strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadInput(name, "a number", text)
    return int(text)
