"""Operations by a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from quart import g

from distd.domain.errors import Conflict
from distd.domain.permissions import Act, OperatorRights, Role
from distd.domain.settings import Settings
from distd.operations import packages as operations
from distd.operations.packages import Activation
from distd.origin.installation import Installation
from distd.origin.operators.sessions import ConsoleSession
from distd.web.console.frame import Frame
from distd.web.console.language import load
from distd.web.console.operations import ConsoleOperations, NotAllowed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quart_trio import QuartTrio

    from tests.fixtures.origin import TestOrigin

SESSION = ConsoleSession("", "ada", 0.0, 0.0, "", "")


@pytest.fixture
def asked(origin: TestOrigin, data: Any, reader: Any, writer: Any) -> ConsoleOperations:
    return ConsoleOperations(reader, writer, lambda: Installation(data, Settings(), origin.catalogue))


@pytest.fixture
async def frame(app: QuartTrio) -> AsyncIterator[Frame]:
    """Of a request of an operator who has signed in."""
    async with app.test_request_context("/"):
        g.frame = Frame(load("en"), "auto", 0.0, SESSION, access=OperatorRights(Role.OPERATOR))
        yield g.frame


async def test_each_way(asked: ConsoleOperations, frame: Frame, publish: Any, origin: TestOrigin) -> None:
    package = publish()
    assert (await asked.do(operations.STATE, package.id)).state == "INACTIVE"
    await asked.do(operations.ACTIVATE, package.id, given=Activation())
    assert (await asked.do(operations.SHOW, package.id)).state == "ACTIVE"
    (event,) = origin.events("PACKAGE_ACTIVATED")
    assert (event.actor.kind, event.actor.name) == ("operator", "ada")


async def test_errors_are_those_of_the_use_case(asked: ConsoleOperations, frame: Frame, publish: Any) -> None:
    with pytest.raises(Conflict):
        await asked.do(operations.DEACTIVATE, publish().id)


async def test_who_may_not_is_told_what_is_missing(asked: ConsoleOperations, frame: Frame) -> None:
    frame.access = OperatorRights(Role.VIEWER)
    with pytest.raises(NotAllowed) as caught:
        await asked.do(operations.DEACTIVATE, "17")
    assert "operator" in str(caught.value)
    assert asked.demand(Act.PACKAGES_READ).actor.name == "ada"
