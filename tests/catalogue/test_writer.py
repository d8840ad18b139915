"""Group commit: what shares a transaction, what fails alone, what is refused."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from sqlalchemy import insert, select, text

from distd.catalogue.engine import open_catalogue
from distd.catalogue.schema import package_ids
from distd.catalogue.writer import BatchLimits, open_batcher, open_writer
from distd.domain.errors import BadInput, Unavailable
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watched:
    """A catalogue that counts its transactions, can hold the next one back, and can fail."""

    def __init__(self, catalogue: Any) -> None:
        self._catalogue = catalogue
        self.read = catalogue.read
        self.transactions = 0
        self.failures = 0  # so many of the next transactions are refused
        self.gate = threading.Event()
        self.gate.set()

    @contextmanager
    def write(self) -> Iterator[Any]:
        self.gate.wait(30)
        if self.failures:
            self.failures -= 1
            raise Unavailable("catalogue", "database is locked")
        self.transactions += 1
        with self._catalogue.write() as conn:
            yield conn

    def numbers(self) -> Any:
        with self.read() as conn:
            return sorted(conn.scalars(select(package_ids.c.id)))


@pytest.fixture
def catalogue(database: Any) -> Iterator[Any]:
    with open_catalogue(database.place) as opened:
        yield Watched(opened)


def add(number: Any, conn: Any) -> Any:
    conn.execute(insert(package_ids).values(id=number))
    return number


def add_and_fail(number: Any, conn: Any) -> None:
    add(number, conn)
    raise BadInput("number", "a good one", number)


def handle(conn: Any, numbers: Any) -> Any:
    """The batch handler of these tests: it fails for negative numbers."""
    for number in numbers:
        add(number, conn)
        if number < 0:
            raise BadInput("number", "a positive one", number)
    return [f"added {number}" for number in numbers]


def parse(word: Any) -> Any:
    if not word.lstrip("-").isdigit():
        raise BadInput("word", "digits", word)
    return int(word)


class Answers(dict[Any, str]):
    """Answers by item."""

    def to(self, item: Any) -> Any:
        return partial(self._take, item)

    def _take(self, item: Any, answer: Any) -> None:
        assert item not in self, "answered twice"
        self[item] = answer if isinstance(answer, str) else type(answer).__name__


async def test_operations_give_what_they_give_once_committed(catalogue: Any) -> None:
    async with open_writer(catalogue) as writer:
        assert await writer.run(partial(add, 7)) == 7
        assert catalogue.numbers() == [7]


async def test_what_comes_during_a_transaction_makes_up_the_next(catalogue: Any) -> None:
    async with open_writer(catalogue) as writer, trio.open_nursery() as nursery:
        catalogue.gate.clear()
        nursery.start_soon(writer.run, partial(add, 0))
        await trio.testing.wait_all_tasks_blocked(0.01)
        for number in range(1, 100):
            nursery.start_soon(writer.run, partial(add, number))
        await trio.testing.wait_all_tasks_blocked(0.01)
        catalogue.gate.set()
    assert catalogue.transactions == 2
    assert catalogue.numbers() == list(range(100))


async def test_an_operation_that_raises_costs_no_other(catalogue: Any) -> None:
    refused: list[Any] = []

    async def fail(writer: Any, number: Any) -> None:
        try:
            await writer.run(partial(add_and_fail, number))
        except BadInput as error:
            refused.append(error.got)

    async with open_writer(catalogue) as writer, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(fail, writer, number) if number % 3 == 0 else nursery.start_soon(
                writer.run, partial(add, number)
            )
    assert sorted(refused) == [0, 3, 6, 9, 12, 15, 18]
    assert catalogue.numbers() == [number for number in range(20) if number % 3]
    assert catalogue.transactions < 20


async def test_a_catalogue_that_is_busy_is_tried_again(catalogue: Any) -> None:
    catalogue.failures = 2
    async with open_writer(catalogue, pauses_s=(0, 0, 0)) as writer:
        assert await writer.run(partial(add, 1)) == 1
    assert (catalogue.failures, catalogue.transactions) == (0, 1)


async def test_a_catalogue_that_stays_busy_is_unavailable_and_may_come_back(catalogue: Any) -> None:
    catalogue.failures = 3
    async with open_writer(catalogue, pauses_s=(0, 0)) as writer:
        with pytest.raises(Unavailable, match="locked"):
            await writer.run(partial(add, 1))
        assert await writer.run(partial(add, 2)) == 2
    assert catalogue.numbers() == [2]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_disk_that_is_full_within_an_operation_is_no_fault_of_that_operation(catalogue: Any) -> None:
    """The database may roll back the whole transaction then, so all are tried again."""
    tries = []

    def fill(conn: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            conn.execute(text(f"PRAGMA max_page_count = {conn.scalar(text('PRAGMA page_count'))}"))
            conn.execute(text("CREATE TABLE filler (x)"))
        else:
            conn.execute(text("PRAGMA max_page_count = 1000000"))
            add(1, conn)

    async with open_writer(catalogue, pauses_s=(0,)) as writer:
        await writer.run(fill)
    assert catalogue.numbers() == [1]
    assert len(tries) == 2


async def test_a_batch_is_one_transaction_and_answers_come_in_this_task(catalogue: Any) -> None:
    answers, threads = Answers(), set()

    def answer(item: Any, reply: Any) -> None:
        threads.add(threading.get_ident())
        answers.to(item)(reply)

    async with open_batcher(catalogue, handle, parse, limits=BatchLimits(100)) as batcher:
        for number in range(50):
            batcher.put(str(number), partial(answer, str(number)))
        assert answers == {}
    assert answers == {str(number): f"added {number}" for number in range(50)}
    assert catalogue.transactions == 1
    assert threads == {threading.get_ident()}


async def test_a_large_batch_is_several_transactions(catalogue: Any) -> None:
    answers = Answers()
    async with open_batcher(catalogue, handle, parse, limits=BatchLimits(100, batch=10)) as batcher:
        for number in range(25):
            batcher.put(str(number), answers.to(number))
    assert list(answers) == list(range(25))
    assert catalogue.transactions == 3


async def test_an_item_that_cannot_be_prepared_never_reaches_the_database(catalogue: Any) -> None:
    answers = Answers()
    async with open_batcher(catalogue, handle, parse, limits=BatchLimits(100)) as batcher:
        batcher.put("x", answers.to("x"))
        await trio.testing.wait_all_tasks_blocked(0.01)
        for word in ("1", "y", "2"):
            batcher.put(word, answers.to(word))
    assert answers == {"x": "BadInput", "1": "added 1", "y": "BadInput", "2": "added 2"}
    assert catalogue.transactions == 1


async def test_an_item_that_fails_costs_no_other(catalogue: Any) -> None:
    answers = Answers()
    async with open_batcher(catalogue, handle, parse, limits=BatchLimits(100)) as batcher:
        for word in ("1", "2", "-3", "4"):
            batcher.put(word, answers.to(word))
    assert answers == {"1": "added 1", "2": "added 2", "-3": "BadInput", "4": "added 4"}
    assert catalogue.numbers() == [1, 2, 4]


async def test_items_tried_one_by_one_are_not_committed_twice(catalogue: Any) -> None:
    """The catalogue goes away amid them: those before have been committed and must not be tried again."""
    answers, calls = Answers(), []

    def failing(conn: Any, numbers: Any) -> Any:
        calls.append(list(numbers))
        if calls == [[1, 2, -3, 4], [1], [2]]:
            catalogue.failures = 1
        return handle(conn, numbers)

    async with open_batcher(catalogue, failing, parse, limits=BatchLimits(100), pauses_s=(0, 0)) as batcher:
        for word in ("1", "2", "-3", "4"):
            batcher.put(word, answers.to(word))
    assert answers == {"1": "added 1", "2": "added 2", "-3": "Unavailable", "4": "added 4"}
    assert calls == [[1, 2, -3, 4], [1], [2], [4]]


async def test_too_many_waiting_items_are_refused(catalogue: Any) -> None:
    answers = Answers()
    async with open_batcher(catalogue, handle, parse, limits=BatchLimits(3)) as batcher:
        for number in range(3):
            batcher.put(str(number), answers.to(number))
        with pytest.raises(Unavailable, match="3 already wait"):
            batcher.put("3", answers.to(3))
    assert list(answers) == [0, 1, 2]


async def test_a_batch_is_bounded_by_bytes_too(catalogue: Any) -> None:
    """Each item is as large as it has characters; one that is larger than a batch makes one up alone."""
    answers, batches = Answers(), []

    def note(conn: Any, numbers: Any) -> Any:
        batches.append(list(numbers))
        return handle(conn, numbers)

    limits = BatchLimits(100, batch=3, batch_bytes=6)
    async with open_batcher(catalogue, note, parse, limits=limits, size_of=len) as batcher:
        for word in ("100", "200", "300", "1234567", "1", "2", "3", "4", "12345", "67"):
            batcher.put(word, answers.to(word))
    assert batches == [[100, 200], [300], [1234567], [1, 2, 3], [4, 12345], [67]]
    assert len(answers) == 10


async def test_too_many_waiting_bytes_are_refused_until_they_are_served(catalogue: Any) -> None:
    answers = Answers()
    limits = BatchLimits(100, waiting_bytes=8)
    async with open_batcher(catalogue, handle, parse, limits=limits, size_of=len) as batcher:
        for word in ("1234", "5678"):
            batcher.put(word, answers.to(word))
        with pytest.raises(Unavailable, match="8 bytes already wait"):
            batcher.put("9", answers.to("9"))
        await await_until(lambda: len(answers) == 2, "both are served")
        batcher.put("123456789", answers.to("123456789"))  # a single one is taken, whatever its size
    assert set(answers.values()) == {"added 1234", "added 5678", "added 123456789"}


async def test_a_cancelled_batcher_finishes_its_transaction_and_refuses_the_rest(catalogue: Any) -> None:
    answers = Answers()
    catalogue.gate.clear()
    with trio.CancelScope() as scope:
        async with open_batcher(catalogue, handle, parse, limits=BatchLimits(10)) as batcher:
            batcher.put("1", answers.to("1"))
            await trio.testing.wait_all_tasks_blocked(0.01)
            batcher.put("2", answers.to("2"))
            scope.cancel()
            catalogue.gate.set()
    assert answers == {"1": "added 1", "2": "Unavailable"}
    assert catalogue.numbers() == [1]
    with pytest.raises(Unavailable, match="stopping"):
        batcher.put("3", answers.to("3"))


async def test_all_items_are_looked_up_before_their_transaction(catalogue: Any) -> None:
    """What is looked up stands in the place of the item; one that is wrong costs no other."""
    seen: list[Any] = []

    def look_up(conn: Any, items: Any) -> Any:
        seen.append((conn.scalar(text("SELECT 1")), list(items), catalogue.transactions))
        return [BadInput("number", "another", item) if item == 2 else item * 10 for item in items]

    def handle(conn: Any, items: Any) -> Any:
        return [add(item, conn) or item for item in items]

    answers: list[Any] = []
    limits = BatchLimits(10)
    async with open_batcher(catalogue, handle, int, limits=limits, look_up=look_up) as batcher:
        for number in ("1", "2", "none", "3"):
            batcher.put(number, answers.append)
    assert seen == [(1, [1, 2, 3], 0)]
    assert (answers[0], answers[3], catalogue.numbers()) == (10, 30, [10, 30])
    assert [type(answer) for answer in answers[1:3]] == [BadInput, ValueError]
