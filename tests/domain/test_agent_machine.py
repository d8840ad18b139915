"""The agent's state machine: scripts of events and the actions they must give."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distd.domain.agent_actions import (
    Assemble,
    Assembled,
    Corrupted,
    Discard,
    Done,
    Event,
    Failed,
    FetchFragment,
    FetchInfo,
    Finished,
    InfoFetched,
    PrologAnswered,
    SendInventory,
    SendProlog,
    SendResult,
    Started,
    Wait,
)
from distd.domain.agent_machine import (
    BACKOFF_FIRST_S,
    BACKOFF_LONGEST_S,
    CORRUPT_TRIES,
    RESULT_TRIES,
    Agent,
    QueuedPackage,
    SavedState,
)
from distd.domain.records import Action as Act
from distd.domain.records import Dialect, Info, Pack, PrologReply
from distd.domain.settings import DownloadConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from distd.domain.agent_actions import (
        Action,
    )

UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE
CONFIG = DownloadConfig(frag_latency_s=1, cycle_latency_s=2, period_latency_s=3, period_length=4, timeout_days=30)
DAY_S = 86_400
SIX, TWICE = " ".join(["1-1"] * 6), " ".join(["1-2"] * 6)  # a Windows agent's tries within a turn


def info(name: str, fragments: int = 1, priority: int = 1) -> Info:
    return Info(name, priority, Act.STORE, "/srv", fragments)


def pack(name: str, pack_loc: str = "h:80/d", force: bool = False) -> Pack:
    return Pack(name, "h:443/d", pack_loc, force)


def reply(*packs: Pack, send: bool = False, config: DownloadConfig = CONFIG, freq_h: int = 24) -> PrologReply:
    return PrologReply(send, freq_h, config, packs)


class World:
    """A server and a network: `answers` maps the name of an action to what comes first, in order; then all is well."""

    def __init__(self, replies: Iterable[PrologReply], infos: Iterable[Info], **answers: list[Event]) -> None:
        self.replies = list(replies)
        self.infos = {info.id: info for info in infos}
        self.answers = answers
        self.now_s = 0.0
        self.script: list[str] = []

    def run(self, agent: Agent, steps: int = 400) -> str:
        event: Event = Started()
        for _ in range(steps):
            action = agent.next(event, self.now_s)
            self.script.append(word(action))
            if isinstance(action, Finished):
                break
            if isinstance(action, Wait):
                self.now_s += action.seconds
            event = self.answer(action)
        return " ".join(self.script)

    def answer(self, action: Action) -> Event:
        planned = self.answers.get(type(action).__name__, [])
        if planned:
            return planned.pop(0)
        match action:
            case SendProlog():
                return PrologAnswered(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])
            case FetchInfo(pack):
                return InfoFetched(self.infos[pack.id]) if pack.id in self.infos else Failed("404")
            case Assemble():
                return Assembled("SUCCESS")
        return Done()


def word(action: Action) -> str:
    match action:
        case FetchFragment(name, number, loc, proto):
            return f"{name}-{number}" + ("" if loc == "h:80/d" and proto == "http" else f"@{proto}://{loc}")
        case FetchInfo(pack):
            return f"info:{pack.id}"
        case Assemble(name):
            return f"run:{name}"
        case SendResult(name, code):
            return f"{name}={code}"
        case Discard(name):
            return f"drop:{name}"
        case Wait(seconds, reason):
            return f"{reason[0]}{seconds:g}"
    return {SendProlog: "PROLOG", SendInventory: "INVENTORY", Finished: "."}[type(action)]


def fail(count: int) -> list[Event]:
    return [Failed("no")] * count


# name, dialect, arguments of the agent, replies, infos, answers, expected actions.
# f1 c2 p3 are the schedule's pauses, r1 a retry's, c86400 the pause until the next contact.
Case = tuple[str, Dialect, dict[str, Any], list[PrologReply], list[Info], dict[str, list[Event]], str]
A, B = info("1", 2), info("2", 1)
LISTED = reply(pack("1"))
CASES: list[Case] = [
    ("nothing", NATIVE, {}, [reply()], [], {}, "PROLOG ."),
    ("inventory", NATIVE, {}, [reply(send=True)], [], {}, "PROLOG INVENTORY ."),
    (
        "order",
        NATIVE,
        {},
        [reply(pack("1"), pack("2"), send=True)],
        [A, B],
        {},
        "PROLOG info:1 info:2 INVENTORY 1-1 f1 2-1 f1 c2 1-2 f1 run:2 2=SUCCESS f1 c2 run:1 1=SUCCESS .",
    ),
    (
        "unix waits out its last period",
        UNIX,
        {},
        [LISTED],
        [A],
        {},
        "PROLOG info:1 1-1 f1 c2 1-2 f1 c2 run:1 1=SUCCESS f1 c2 c2 p3 .",
    ),
    ("a command without a file", NATIVE, {}, [LISTED], [info("1", 0)], {}, "PROLOG info:1 run:1 1=SUCCESS ."),
    ("in history", NATIVE, {"history": ["1"]}, [LISTED], [A], {}, "PROLOG 1=SUCCESS_ALREADY_SETUP ."),
    (
        "in history beside another",
        NATIVE,
        {"history": ["1"]},
        [reply(pack("1"), pack("2"))],
        [B],
        {},
        "PROLOG 1=SUCCESS_ALREADY_SETUP info:2 2-1 f1 c2 run:2 2=SUCCESS .",
    ),
    (
        "the stock agent dies of it",
        UNIX,
        {"history": ["1"]},
        [reply(pack("1"), pack("2"))],
        [B],
        {},
        "PROLOG 1=SUCCESS_ALREADY_SETUP info:2 .",
    ),
    (
        "forced again",
        NATIVE,
        {"history": ["1"]},
        [reply(pack("1", force=True))],
        [info("1", 0)],
        {},
        "PROLOG info:1 run:1 1=SUCCESS .",
    ),
    ("no info, unix", UNIX, {}, [LISTED], [], {}, "PROLOG info:1 1=ERR_DOWNLOAD_INFO ."),
    ("no info, windows", WINDOWS, {}, [LISTED], [], {}, "PROLOG info:1 ."),
    ("no info, native", NATIVE, {}, [LISTED], [], {}, "PROLOG info:1 r1 info:1 r1 info:1 1=ERR_DOWNLOAD_INFO ."),
    (
        "info at the second try",
        NATIVE,
        {},
        [LISTED],
        [info("1", 0)],
        {"FetchInfo": fail(1)},
        "PROLOG info:1 r1 info:1 run:1 1=SUCCESS .",
    ),
    (
        "info of another",
        NATIVE,
        {},
        [LISTED],
        [],
        {"FetchInfo": [InfoFetched(B)]},
        "PROLOG info:1 1=ERR_BAD_ID .",
    ),
    ("an id that is none", NATIVE, {}, [reply(pack("../x"), pack("¹"))], [], {}, "PROLOG ."),
    ("off", NATIVE, {}, [reply(pack("1"), config=replace(CONFIG, on=False))], [A], {}, "PROLOG ."),
    (
        "off, with a queue",
        NATIVE,
        {"queue": [QueuedPackage(A, "h:80/d", 0)]},
        [reply(config=replace(CONFIG, on=False), send=True)],
        [],
        {},
        "PROLOG INVENTORY .",
    ),
    (
        "resumed at the second fragment, from elsewhere",
        NATIVE,
        {"queue": [QueuedPackage(A, "old:80/d", 0, fetched=1)]},
        [reply(pack("1", "new:80/d"))],
        [],
        {},
        "PROLOG 1-2@http://new:80/d f1 c2 run:1 1=SUCCESS .",
    ),
    (
        "windows keeps the place",
        WINDOWS,
        {"queue": [QueuedPackage(B, "old:80/d", 0)]},
        [reply(pack("2", "new:80/d"))],
        [],
        {},
        "PROLOG 2-1@http://old:80/d f1 c2 run:2 2=SUCCESS f1 c2 c2 c2 p4 .",
    ),
    (
        "withdrawn",
        NATIVE,
        {"queue": [QueuedPackage(A, "h:80/d", 0)]},
        [reply()],
        [],
        {},
        "PROLOG drop:1 .",
    ),
    (
        "timed out",
        NATIVE,
        {"queue": [QueuedPackage(A, "h:80/d", -31 * DAY_S)]},
        [LISTED],
        [],
        {},
        "PROLOG 1=ERR_TIMEOUT .",
    ),
    (
        "a fragment fails twice",
        NATIVE,
        {},
        [LISTED],
        [info("1")],
        {"FetchFragment": fail(2)},
        "PROLOG info:1 1-1 f1 c2 1-1 f1 c2 1-1 f1 c2 run:1 1=SUCCESS .",
    ),
    (
        "windows tries again at once",
        WINDOWS,
        {},
        [LISTED],
        [info("1")],
        {"FetchFragment": fail(7)},
        "PROLOG info:1 1-1 1-1 1-1 1-1 1-1 1-1 f1 c2 1-1 1-1 f1 c2 run:1 1=SUCCESS f1 c2 c2 p4 .",
    ),
    (
        "windows goes on when half of them came",
        WINDOWS,
        {},
        [LISTED],
        [info("1", 3)],
        {"FetchFragment": [*fail(6), Done(), *fail(6)]},
        f"PROLOG info:1 {SIX} f1 c2 1-1 f1 c2 {TWICE} f1 c2 1-2 f1 c2 p4 1-3 f1 c2 run:1 1=SUCCESS f1 c2 c2 c2 p4 .",
    ),
    (
        "windows gives up when three of four did not come",
        WINDOWS,
        {},
        [LISTED],
        [info("1", 3)],
        {"FetchFragment": [Done(), *fail(18)]},
        f"PROLOG info:1 1-1 f1 c2 {' '.join([TWICE + ' f1 c2'] * 3)} .",
    ),
    (
        "windows gives up after a period in which nothing came",
        WINDOWS,
        {},
        [LISTED],
        [info("1")],
        {"FetchFragment": fail(24)},
        f"PROLOG info:1 {' '.join([SIX + ' f1 c2'] * 4)} .",
    ),
    (
        "always corrupt",
        NATIVE,
        {},
        [LISTED],
        [info("1")],
        {"FetchFragment": [Corrupted()] * CORRUPT_TRIES},
        "PROLOG info:1 1-1 f1 c2 1-1 f1 c2 1-1 f1 c2 1-1 f1 c2 p3 1-1 1=ERR_BAD_DIGEST .",
    ),
    (
        "corrupt once",
        NATIVE,
        {},
        [LISTED],
        [info("1")],
        {"FetchFragment": [Corrupted()]},
        "PROLOG info:1 1-1 f1 c2 1-1 f1 c2 run:1 1=SUCCESS .",
    ),
    (
        "no space",
        NATIVE,
        {},
        [LISTED],
        [info("1")],
        {"FetchFragment": [Failed("disk full", "ERR_OUT_OF_SPACE")]},
        "PROLOG info:1 1-1 1=ERR_OUT_OF_SPACE .",
    ),
    (
        "result refused, then taken",
        NATIVE,
        {},
        [LISTED],
        [info("1", 0)],
        {"SendResult": fail(2)},
        "PROLOG info:1 run:1 1=SUCCESS r1 1=SUCCESS r1 1=SUCCESS .",
    ),
    (
        "result refused for good",
        NATIVE,
        {},
        [LISTED],
        [info("1", 0)],
        {"SendResult": fail(99)},
        "PROLOG info:1 run:1" + " r1".join([" 1=SUCCESS"] * RESULT_TRIES) + " .",
    ),
    (
        "a result from before is sent, and its package not run again",
        NATIVE,
        {"pending": {"1": "ERR_BUILD"}},
        [LISTED],
        [info("1", 0)],
        {},
        "PROLOG 1=ERR_BUILD .",
    ),
    ("no server", NATIVE, {}, [reply()], [], {"SendProlog": fail(1)}, "PROLOG ."),
    (
        "no server, but a queue",
        NATIVE,
        {"queue": [QueuedPackage(B, "h:80/d", 0)], "config": CONFIG},
        [reply()],
        [],
        {"SendProlog": fail(1)},
        "PROLOG 2-1 f1 c2 run:2 2=SUCCESS .",
    ),
    (
        "no server, unix does not begin",
        UNIX,
        {"queue": [QueuedPackage(B, "h:80/d", 0)]},
        [reply()],
        [],
        {"SendProlog": fail(1)},
        "PROLOG .",
    ),
    (
        "a priority that no cycle reaches",
        NATIVE,
        {},
        [LISTED],
        [info("1", priority=5)],
        {},
        "PROLOG info:1 .",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case[1]}: {case[0]}" for case in CASES])
def test_once(case: Case) -> None:
    _, dialect, arguments, replies, infos, answers, expected = case
    queue = [replace(package) for package in arguments.get("queue", [])]
    agent = Agent("pc", dialect, SavedState(**{**arguments, "queue": queue}), once=True)
    world = World(replies, infos, **{name: list(events) for name, events in answers.items()})
    assert world.run(agent) == expected


def forever(world: World, steps: int, dialect: Dialect = NATIVE, jitter: Callable[[], float] = lambda: 0.5) -> str:
    return world.run(Agent("pc", dialect, jitter=jitter), steps)


def test_the_next_contact_comes_after_prolog_freq() -> None:
    assert forever(World([reply(freq_h=2)], []), 5) == "PROLOG c7200 PROLOG c7200 PROLOG"


def test_a_contact_that_falls_due_during_the_downloads_is_made_between_two_turns() -> None:
    slow = replace(CONFIG, frag_latency_s=3600)
    replies = [reply(pack("1"), config=slow, freq_h=1), reply(pack("1", "new:1/d"), pack("2"), config=CONFIG)]
    script = forever(World(replies, [A, B]), 9)
    assert script == "PROLOG info:1 1-1 f3600 PROLOG info:2 c2 1-2@http://new:1/d f3600"


def test_the_config_of_a_later_contact_holds_from_the_next_period() -> None:
    slow = replace(CONFIG, frag_latency_s=3600, period_length=1)
    script = forever(World([reply(pack("1"), config=slow, freq_h=1), LISTED], [A]), 11)
    assert script == "PROLOG info:1 1-1 f3600 PROLOG c2 p3 1-2 f1 c2 run:1"


def test_back_off() -> None:
    world = World([reply()], [], SendProlog=fail(14))
    waits = [float(action[1:]) for action in forever(world, 26).split() if action != "PROLOG"]
    assert waits[:3] == [BACKOFF_FIRST_S, BACKOFF_FIRST_S * 2, BACKOFF_FIRST_S * 4]
    assert max(waits) == BACKOFF_LONGEST_S


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 0.5), (1.0, 1.5)])
def test_jitter(jitter: float, factor: float) -> None:
    script = forever(World([reply()], [], SendProlog=fail(1)), 2, jitter=lambda: jitter)
    assert script == f"PROLOG c{BACKOFF_FIRST_S * factor:g}"


def test_a_stock_agent_waits_for_its_next_regular_contact() -> None:
    assert forever(World([reply()], [], SendProlog=fail(1)), 2, UNIX) == f"PROLOG c{DAY_S}"


def test_a_windows_agent_that_gave_up_continues_at_its_next_contact() -> None:
    world = World([reply(pack("1"), freq_h=1)], [info("1")], FetchFragment=fail(24))
    script = world.run(Agent("pc", WINDOWS), 43)
    given_up, _, rest = script.partition(" c3588 ")
    assert given_up == f"PROLOG info:1 {' '.join([SIX + ' f1 c2'] * 4)}"
    assert rest.startswith("PROLOG 1-1 f1 c2 run:1 1=SUCCESS f1 c2")


def test_log_lines() -> None:
    said: list[str] = []
    agent = Agent("pc", once=True, log=said.append)
    World([LISTED], [A]).run(agent)
    assert said == ["Package <1> added to download queue", "New period. Nb of cycles: 4"]


class Server:
    """Lists each package until it has a result for it, and fails whatever it is told to fail."""

    def __init__(self, infos: dict[str, Info], failures: Iterable[bool]) -> None:
        self.infos = infos
        self.failures = iter(failures)
        self.results: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()

    def answer(self, action: Action) -> Event:
        if next(self.failures, False) and not isinstance(action, Wait | Discard):
            return Corrupted() if isinstance(action, FetchFragment) and action.number % 2 else Failed("no")
        match action:
            case SendProlog():
                return PrologAnswered(reply(*(pack(name) for name in self.infos if not self.results[name]), freq_h=1))
            case FetchInfo(listed):
                return InfoFetched(self.infos[listed.id])
            case Assemble(name):
                self.runs[name] += 1
                return Assembled("SUCCESS")
            case SendResult(name):
                self.results[name] += 1
        return Done()


@settings(max_examples=300, deadline=None)
@given(
    dialect=st.sampled_from([NATIVE, UNIX, WINDOWS]),
    shapes=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=3),
    failures=st.lists(st.booleans(), max_size=120),
    restart=st.integers(0, 60),
)
def test_whatever_fails_each_package_ends_in_one_result(
    dialect: Dialect, shapes: list[tuple[int, int]], failures: list[bool], restart: int
) -> None:
    infos = {str(n): info(str(n), *shape) for n, shape in enumerate(shapes, 1)}
    server = Server(infos, failures)
    agent, now_s = Agent("pc", dialect), 0.0
    event: Event = Started()
    for step in range(4000):
        action = agent.next(event, now_s)
        if step == restart:  # the process is killed before the action, and restored from what it knew
            agent = Agent("pc", dialect, SavedState(agent.history, agent.queue.values(), agent.pending))
            event = Started()
            continue
        now_s += action.seconds if isinstance(action, Wait) else 0.1
        event = server.answer(action)
        if len(server.results) == len(infos) and not agent.pending:
            break
    assert server.results == Counter(dict.fromkeys(infos, 1))
    assert all(count == 1 for count in server.runs.values())
    assert not agent.queue
