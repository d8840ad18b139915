"""How long the check of a password waits after wrong ones.

What an address tried wrongly makes that address wait, and the name that was tried, from wherever it is tried next. But
who has signed in by a name from an address before waits there only for what was tried wrongly in just this way: so
nobody can lock an operator out by guessing from elsewhere. The longest pause is short, and a check waits for it instead
of being refused: whoever knows the password gets in.
"""

from __future__ import annotations

from typing import Final

from distd.domain.lru import Lru

FREE_FAILURES: Final = 3  # an operator mistypes now and then
DOUBLINGS: Final = 5  # from the first pause to the longest
FORGET_S: Final = 600.0  # a key without a failure for so long is as new
MAX_KEYS: Final = 4096
MAX_KNOWN: Final = 1024

_Key = tuple[str, str]  # the peer and the name, one of which may be empty


class _Failures:
    __slots__ = ("count", "last_s", "ready_s")

    def __init__(self) -> None:
        self.count = 0
        self.last_s = self.ready_s = 0.0


class LoginPauses:
    """`longest_s` is the longest pause. Peers are texts, as `domain.addresses.peer_of` gives them; times are those of
    any steady clock. What it remembers is bounded, the least recent is forgotten."""

    def __init__(self, longest_s: float) -> None:
        self.longest_s = longest_s
        self._failures: Lru[_Key, _Failures] = Lru(MAX_KEYS)
        self._known: Lru[_Key, bool] = Lru(MAX_KNOWN)

    def limit(self, longest_s: float) -> None:
        """Another longest pause from now on."""
        self.longest_s = longest_s

    def is_known(self, peer: str, name: str) -> bool:
        """Whether somebody has signed in from there by this name."""
        return self._known.get((peer, name)) is not None

    def failures(self, peer: str, now_s: float) -> int:
        """How many wrong passwords came from there lately."""
        return self._count((peer, ""), now_s)

    def ready_s(self, peer: str, name: str) -> float:
        """When the next password may be checked."""
        found = [self._failures.get(key) for key in self._keys(peer, name)]
        return max((failures.ready_s for failures in found if failures is not None), default=0.0)

    def succeeded(self, peer: str, name: str) -> None:
        """The password was right."""
        self._known.put((peer, name), True)
        self._failures.pop((peer, name))

    def failed(self, peer: str, name: str, now_s: float) -> None:
        """The password was wrong, or there is no such operator."""
        for key in ((peer, ""), ("", name), (peer, name)):
            count = self._count(key, now_s) + 1
            failures = self._failures.get(key) or _Failures()
            failures.count, failures.last_s = count, now_s
            if count >= FREE_FAILURES:
                halvings = max(DOUBLINGS - (count - FREE_FAILURES), 0)
                failures.ready_s = now_s + self.longest_s / 2**halvings
            self._failures.put(key, failures)

    def _keys(self, peer: str, name: str) -> tuple[_Key, ...]:
        return ((peer, name),) if self.is_known(peer, name) else ((peer, ""), ("", name))

    def _count(self, key: _Key, now_s: float) -> int:
        failures = self._failures.get(key)
        return 0 if failures is None or now_s - failures.last_s > FORGET_S else failures.count
