"""Arguments and options that several commands on packages have."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from distd.cli.completion import complete_packages
from distd.domain.errors import BadInput
from distd.domain.package_spec import TARGETS
from distd.origin.packages.orders import NotifyChange
from distd.terminal.program import argument, option

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.domain.records import Action

package_argument = argument(
    "package_id",
    field="package",
    metavar="PACKAGE",
    hint="see `distd package list`",
    shell_complete=complete_packages,
)
packages_argument = argument(
    "package_ids",
    field="package",
    metavar="[PACKAGE]...",
    nargs=-1,
    hint="see `distd package list`",
    shell_complete=complete_packages,
)

_NOTIFY = (
    option("--notify-text", field="notify.text", help="Windows: a text for the user before it runs."),
    option(
        "--notify-countdown",
        field="notify.countdown_s",
        metavar="SECONDS",
        type=click.IntRange(0, 86_400),
        help="Windows: seconds until it runs, unless the user agrees before.",
    ),
    option("--notify-can-abort/--no-notify-can-abort", default=None, help="Windows: the user may refuse."),
    option("--notify-can-delay/--no-notify-can-delay", default=None, help="Windows: the user may delay it."),
    option("--done-text", field="notify.done_action_text", help="Windows: a text for the user afterwards."),
)


def notify_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a notification. The command gets them as `notify`, a `NotifyChange`."""

    @wraps(command)
    def with_notify(
        *args: Any,
        notify_text: str | None,
        notify_countdown: int | None,
        notify_can_abort: bool | None,
        notify_can_delay: bool | None,
        done_text: str | None,
        **kwargs: Any,
    ) -> Any:
        notify = NotifyChange(notify_text, notify_countdown, notify_can_abort, notify_can_delay, done_text)
        return command(*args, notify=notify, **kwargs)

    for decorate in reversed(_NOTIFY):
        decorate(with_notify)
    return with_notify


def target_of(action: Action, given: dict[str, str | None], *, needed: bool = True) -> str | None:
    """The value of the option that belongs to the action: --path, --launch or --command, each by its name without the
    dashes. Others would be ignored, so they are refused (`BadInput`)."""
    own = TARGETS[action]
    for name, value in given.items():
        if needed and name == own and value is None:
            raise BadInput(f"--{name}", f"a value, as --action {action} needs it", "nothing")
        if name != own and value is not None:
            raise BadInput(f"--{name}", f"only --{own} with --action {action}", value)
    return given[own]
