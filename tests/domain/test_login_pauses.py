"""How long the check of a password waits after wrong ones."""

from __future__ import annotations

from distd.domain.login_pauses import DOUBLINGS, FORGET_S, FREE_FAILURES, MAX_KEYS, LoginPauses

HERE, THERE = "10.0.0.1", "10.0.0.2"


def fail(pauses: LoginPauses, peer: str, name: str, times: int, now_s: float = 100.0) -> None:
    for _ in range(times):
        pauses.failed(peer, name, now_s)


def test_who_mistypes_does_not_wait() -> None:
    pauses = LoginPauses(0.5)
    fail(pauses, HERE, "ada", FREE_FAILURES - 1)
    assert pauses.ready_s(HERE, "ada") == 0


def test_pauses_double_up_to_the_longest() -> None:
    pauses = LoginPauses(3.2)
    fail(pauses, HERE, "ada", FREE_FAILURES - 1)
    waits = []
    for _ in range(DOUBLINGS + 3):
        pauses.failed(HERE, "ada", 100)
        waits.append(round(pauses.ready_s(HERE, "ada") - 100, 3))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2]


def test_the_address_and_the_name_wait() -> None:
    pauses = LoginPauses(0.5)
    fail(pauses, HERE, "ada", 20)
    assert pauses.ready_s(HERE, "eve") == pauses.ready_s(THERE, "ada") == 100.5
    assert pauses.ready_s(THERE, "eve") == 0
    assert (pauses.failures(HERE, 100), pauses.failures(THERE, 100)) == (20, 0)


def test_who_has_signed_in_from_there_waits_for_nobody_else() -> None:
    pauses = LoginPauses(0.5)
    pauses.succeeded(HERE, "ada")
    fail(pauses, THERE, "ada", 20)
    fail(pauses, HERE, "eve", 20)
    assert pauses.is_known(HERE, "ada")
    assert pauses.ready_s(HERE, "ada") == 0
    fail(pauses, HERE, "ada", 20)
    assert pauses.ready_s(HERE, "ada") == 100.5
    pauses.succeeded(HERE, "ada")
    assert pauses.ready_s(HERE, "ada") == 0


def test_failures_are_forgotten() -> None:
    pauses = LoginPauses(0.5)
    fail(pauses, HERE, "ada", 20)
    later_s = 100 + FORGET_S + 1
    assert pauses.failures(HERE, later_s) == 0
    pauses.failed(HERE, "ada", later_s)
    assert pauses.ready_s(HERE, "ada") < later_s


def test_what_is_remembered_is_bounded_and_the_limit_can_change() -> None:
    pauses = LoginPauses(0.5)
    fail(pauses, HERE, "ada", 20)
    for number in range(MAX_KEYS):
        pauses.failed(f"10.1.{number}", f"name {number}", 100)
    assert pauses.failures(HERE, 100) == 0
    pauses.limit(8.0)
    fail(pauses, HERE, "ada", 20)
    assert pauses.ready_s(HERE, "ada") == 108
