from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio
from sqlalchemy import update

from distd.catalogue.access_schema import api_tokens as token_table
from distd.domain.errors import Unavailable
from distd.domain.permissions import Role
from distd.domain.settings import LimitSettings
from distd.origin.operators import api_tokens, operators
from distd.origin.operators.api_tokens import NewToken
from distd.web.api import events as routes
from distd.web.api.app import make_app
from distd.web.api.event_feed import EventFeed
from tests.programs.waiting import LIMIT_S, await_until
from tests.web.api.conftest import basic, new_logins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin


async def get(client: Any, path: str, headers: Any) -> tuple[int, Any]:
    answer = await client.get(path, headers=headers)
    return answer.status_code, await answer.get_json(force=True)


@pytest.fixture
async def feed(watch: EventWatch) -> AsyncIterator[EventFeed]:
    """What it follows runs."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        yield EventFeed(watch)
        nursery.cancel_scope.cancel()


@pytest.fixture
async def client(app: Any, feed: EventFeed) -> Any:
    return app.test_client()


@pytest.fixture
def busy(origin: TestOrigin, operator: Any) -> TestOrigin:
    """An operator is added, a package is activated and assigned, the agent is notified."""
    origin.package("17")
    origin.prolog()
    origin.assign("17")
    origin.prolog()
    return origin


ALL = ["NOTIFIED", "ASSIGNED", "COMPUTER_SEEN", "PACKAGE_ACTIVATED", "PASSWORD_CHANGED"]


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("events", ALL),
        ("events?package=17", ["NOTIFIED", "ASSIGNED", "PACKAGE_ACTIVATED"]),
        ("events?computer=pc&actor=agent", ["NOTIFIED", "COMPUTER_SEEN"]),
        ("events?kind=notified,assigned", ["NOTIFIED", "ASSIGNED"]),
        ("events?limit=1", ["NOTIFIED"]),
        ("events?after=0&limit=2", ["PASSWORD_CHANGED", "PACKAGE_ACTIVATED"]),
        ("events?since=now", []),
        ("audit", ["ASSIGNED", "PACKAGE_ACTIVATED", "PASSWORD_CHANGED"]),
        ("audit?actor=operator:admin&package=17", ["ASSIGNED", "PACKAGE_ACTIVATED"]),
    ],
)
async def test_events_are_listed(client: Any, operator: Any, busy: Any, path: str, kinds: list[str]) -> None:
    status, found = await get(client, f"/api/v1/{path}", operator)
    assert status == 200
    assert [item["kind"] for item in found["items"]] == kinds


@pytest.mark.parametrize("first", ["events?limit=2", "events?after=0&limit=2"])
async def test_pages_follow_each_other(client: Any, operator: Any, busy: Any, first: str) -> None:
    seen, path = [], first
    while path:
        _, found = await get(client, f"/api/v1/{path}", operator)
        assert found["total"] == 5
        seen += [item["kind"] for item in found["items"]]
        name = "after" if "after" in first else "cursor"
        path = f"events?limit=2&{name}={found['next']}" if found["next"] else ""
    assert seen == (ALL[::-1] if "after" in first else ALL)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("events?kind=sent", "kind"),
        ("events?since=soon", "since"),
        ("events?limit=0", "limit"),
        ("events?after=99999999999999999999", "after"),
        ("events?after=-1", "after"),
        ("events?cursor=x", "cursor"),
        ("audit?cursor=x", "cursor"),
    ],
)
async def test_what_cannot_be_asked_for(client: Any, operator: Any, path: str, field: str) -> None:
    status, found = await get(client, f"/api/v1/{path}", operator)
    assert (status, found["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize("path", ["events", "audit"])
async def test_events_are_for_operators(client: Any, path: str) -> None:
    assert (await client.get(f"/api/v1/{path}")).status_code == 401
    assert (await client.get(f"/api/v1/{path}", headers={"Accept": routes.STREAM})).status_code == 401


def parsed(text: bytes) -> list[tuple[int, str, Any]]:
    """(id, event, data) of each message."""
    found = []
    for message in text.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in message.splitlines() if line and not line.startswith(":"))
        if lines:
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


async def received(
    client: Any, operator: Any, path: str, count: int, begun: Callable[[], None] | None = None, last: int | None = None
) -> list[tuple[int, str, Any]]:
    """The first so many messages of a stream, which is closed then. `begun` is called when it is open; `last` is the
    last event that was received before."""
    asked = {**operator, "Accept": routes.STREAM} | ({} if last is None else {"Last-Event-ID": str(last)})
    with trio.CancelScope() as reading:
        async with client.request(path, headers=asked) as connection:
            await connection.send_complete()
            text = await connection.receive()
            if begun is not None:
                begun()
            while len(parsed(text)) < count:
                text += await connection.receive()
            assert connection.status_code == 200
            assert connection.headers["Content-Type"] == routes.STREAM
            reading.cancel()  # as a browser that closes its page
    return parsed(text)


async def test_a_stream_goes_on_where_a_browser_was(client: Any, operator: Any, busy: TestOrigin) -> None:
    first = await received(client, operator, "/api/v1/events?after=0&kind=ASSIGNED,NOTIFIED", 2)
    assert [kind for _, kind, _ in first] == ["ASSIGNED", "NOTIFIED"]
    assert first[0][2]["package_name"] == "package 17"
    again = await received(client, operator, "/api/v1/events", 1, last=first[0][0])
    assert again[0][:2] == first[1][:2]


async def test_a_stream_tells_what_happens(client: Any, operator: Any, busy: TestOrigin) -> None:
    found = await received(client, operator, "/api/v1/events?actor=admin", 1, begun=lambda: busy.package("18"))
    assert [(kind, data["package_id"]) for _, kind, data in found] == [("PACKAGE_ACTIVATED", "18")]


async def test_a_bad_last_event_id_is_refused(client: Any, operator: Any) -> None:
    headers = {**operator, "Accept": routes.STREAM, "Last-Event-ID": "x"}
    answer = await client.get("/api/v1/events", headers=headers)
    assert answer.status_code == 400


class Opened:
    """Streams that stay open until `close`."""

    def __init__(self, nursery: trio.Nursery, client: Any) -> None:
        self._nursery = nursery
        self._client = client
        self._ended = trio.Event()

    async def open(self, operator: Any) -> None:
        await self._nursery.start(self._read, {**operator, "Accept": routes.STREAM})

    def close(self) -> None:
        self._ended.set()

    async def _read(self, headers: Any, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope() as reading:
            async with self._client.request("/api/v1/events?after=0", headers=headers) as stream:
                await stream.send_complete()
                await stream.receive()
                task_status.started()
                await self._ended.wait()
                reading.cancel()


@pytest.mark.parametrize(
    ("limits", "status", "detail"),
    [
        (LimitSettings(event_streams=2), 503, "as many streams are open as may be: 2 (limits.event_streams)"),
        (
            LimitSettings(event_streams_per_operator=2),
            429,
            "this operator has as many streams open as one may: 2 (limits.event_streams_per_operator)",
        ),
    ],
)
async def test_there_are_no_more_streams_than_the_limits(
    reader: Any, feed: EventFeed, operator: Any, busy: TestOrigin, limits: LimitSettings, status: int, detail: str
) -> None:
    app = make_app(new_logins(reader), [routes.EventRoutes(feed, lambda: limits)])
    client = app.test_client()
    async with trio.open_nursery() as nursery:
        streams = Opened(nursery, client)
        await streams.open(operator)
        await streams.open(operator)
        found_status, found = await get(client, "/api/v1/events", {**operator, "Accept": routes.STREAM})
        assert (found_status, found["detail"]) == (status, f"events: {detail}")
        assert (await get(client, "/api/v1/events", operator))[0] == 200  # a list is no stream
        streams.close()
    assert await received(client, operator, "/api/v1/events?after=0", 1)  # their places are free again


async def test_another_operator_has_streams_of_its_own(
    reader: Any, feed: EventFeed, operator: Any, origin: TestOrigin
) -> None:
    origin.act(operators.create, "eve", "secret", 0.0, operators.Grant(Role.ADMINISTRATOR))
    limits = LimitSettings(event_streams_per_operator=1)
    client = make_app(new_logins(reader), [routes.EventRoutes(feed, lambda: limits)]).test_client()
    async with trio.open_nursery() as nursery:
        streams = Opened(nursery, client)
        await streams.open(operator)
        assert await received(client, basic("eve", "secret"), "/api/v1/events?after=0", 1)
        streams.close()


async def test_streams_that_are_opened_in_the_same_moment_are_counted() -> None:
    streams = routes.OpenStreams(lambda: LimitSettings(event_streams=2, event_streams_per_operator=2))
    assert [streams.take(name) for name in ("a", "a", "a", "b")] == [True, True, False, False]
    streams.give_back("a")
    assert [streams.take(name) for name in ("b", "a")] == [True, False]


async def test_streams_end_when_the_server_stops(reader: Any, feed: EventFeed, operator: Any, busy: TestOrigin) -> None:
    client = make_app(new_logins(reader), [routes.EventRoutes(feed, LimitSettings)]).test_client()
    asked = {**operator, "Accept": routes.STREAM}
    async with client.request("/api/v1/events?after=0", headers=asked) as connection:
        await connection.send_complete()
        await connection.receive()
        feed.close()
        while await connection.receive():
            pass


async def test_a_stream_that_begins_while_the_catalogue_is_away_is_refused(
    client: Any, reader: Any, operator: Any
) -> None:
    await get(client, "/api/v1/events", operator)  # it has logged in
    reader.error = Unavailable("catalogue", "it is locked")
    status, found = await get(client, "/api/v1/events", {**operator, "Accept": routes.STREAM})
    assert (status, found["detail"]) == (503, "catalogue: it is locked")


async def test_an_outage_of_the_catalogue_loses_no_event(
    client: Any, reader: Any, operator: Any, busy: TestOrigin
) -> None:
    def break_off() -> None:
        reader.error = Unavailable("catalogue", "it is locked")
        busy.package("18")

    async def recover() -> None:
        await await_until(lambda: reader.refused > 1, "it was asked for more than once")
        reader.error = None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(recover)
        found = await received(client, operator, "/api/v1/events", 1, begun=break_off)
    assert [(kind, data["package_id"]) for _, kind, data in found] == [("PACKAGE_ACTIVATED", "18")]


async def test_a_client_from_the_future_goes_on_from_now(client: Any, operator: Any, busy: TestOrigin) -> None:
    """The database was replaced by an earlier state of it."""
    found = await received(client, operator, "/api/v1/events", 1, begun=lambda: busy.package("18"), last=10**6)
    assert [kind for _, kind, _ in found] == ["PACKAGE_ACTIVATED"]


async def test_a_stream_that_is_idle_has_heartbeats(
    client: Any, operator: Any, busy: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_S", 0.01)
    with trio.CancelScope() as reading:
        async with client.request("/api/v1/events", headers={**operator, "Accept": routes.STREAM}) as connection:
            await connection.send_complete()
            text = b""
            while b": still here\n\n: still here\n\n" not in text:
                text += await connection.receive()
            reading.cancel()
    assert text.startswith(b": events\n\n: still here\n\n")


async def test_a_viewer_is_not_told_the_audit_trail(client: Any, operator: Any, busy: TestOrigin) -> None:
    busy.act(operators.create, "eve", "secret", 0.0, operators.Grant(Role.VIEWER))
    eve = basic("eve", "secret")
    for path in ("events", "events?after=0"):
        found = (await get(client, f"/api/v1/{path}", eve))[1]
        kinds = {item["kind"] for item in found["items"]}
        assert kinds == set(ALL) - {"PASSWORD_CHANGED"}
        assert found["total"] == 4
    assert (await received(client, eve, "/api/v1/events?after=0", 1))[0][1] == "PACKAGE_ACTIVATED"


@pytest.mark.parametrize("ended", ["deleted", "role", "password", "revoked", "expired"])
async def test_a_stream_ends_with_who_asked(
    client: Any, operator: Any, busy: TestOrigin, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_S", 0.05)
    now_s = time.time()
    busy.act(operators.create, "eve", "secret", now_s)
    login = basic("eve", "secret")
    if ended in ("revoked", "expired"):
        token = busy.act(api_tokens.create, NewToken("t", Role.VIEWER), b"x" * 32, now_s)
        login = {"Authorization": f"Bearer {token}"}
    end: dict[str, Callable[[], Any]] = {
        "deleted": lambda: busy.act(operators.delete, "eve", now_s),
        "role": lambda: busy.act(operators.change, "eve", now_s, role=Role.VIEWER),
        "password": lambda: busy.act(operators.set_password, "eve", "another", now_s),
        "revoked": lambda: busy.act(api_tokens.revoke, "t", now_s),
        "expired": lambda: busy.write(lambda conn: conn.execute(update(token_table).values(expires_at_us=1))),
    }
    with trio.fail_after(LIMIT_S):
        async with client.request("/api/v1/events", headers={**login, "Accept": routes.STREAM}) as connection:
            await connection.send_complete()
            text = b""
            while b": still here" not in text:
                text += await connection.receive()
            end[ended]()
            while await connection.receive():
                pass
