"""What nurseries raise: the one error in it that callers know."""

from __future__ import annotations

from distd.domain.errors import DistdError


def unwrapped(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first `DistdError` or Ctrl-C in it, however deep; the group itself where there is none."""
    for error in group.exceptions:
        found = unwrapped(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, DistdError | KeyboardInterrupt):
            return found
    return group
