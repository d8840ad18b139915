"""Who is believed to speak for a computer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.records import DownloadRequest, InventoryRequest, PrologRequest
from distd.domain.settings import AgentSettings
from distd.origin.agents.authentication import KEY, LOG_IN, NO_PROOF, Judgement, Proof, hash_key, judge
from distd.origin.computers import revocation

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

NATIVE = "distd-agent/0.1.0"
UNIX = "OCS-NG_unified_unix_agent_v2.10.0"
OWN, OTHER = "a" * 64, "b" * 64
ASK, TELL = PrologRequest("pc"), PrologRequest("pc", OWN)
TAGGED = InventoryRequest("pc", {}, {"TAG": "site 4"}, (), None)
LOGIN = Proof(login="school")
DEFAULT, KEYS, TAGS = AgentSettings(), AgentSettings(native_keys=True), AgentSettings(login_tags="site 4, site 5")

# request, proof, agent, tag, key that is known, settings, verdict
CASES = {
    "nothing is asked for": (ASK, NO_PROOF, UNIX, None, "", DEFAULT, Judgement.TAKE),
    "nor of a native agent": (ASK, NO_PROOF, NATIVE, None, "", DEFAULT, Judgement.TAKE),
    "a log-in that nobody asked for": (ASK, LOGIN, UNIX, None, "", DEFAULT, Judgement.TAKE),
    "the TAG asks": (ASK, NO_PROOF, UNIX, "site 5", "", TAGS, Judgement.ASK_LOGIN),
    "the TAG asks, and has it": (ASK, LOGIN, UNIX, "site 5", "", TAGS, Judgement.TAKE),
    "another TAG": (ASK, NO_PROOF, UNIX, "site 6", "", TAGS, Judgement.TAKE),
    "the TAG that an inventory claims": (TAGGED, NO_PROOF, UNIX, None, "", TAGS, Judgement.ASK_LOGIN),
    "native agents need a key": (ASK, NO_PROOF, NATIVE, None, "", KEYS, Judgement.ASK_KEY),
    "others do not": (ASK, NO_PROOF, UNIX, None, "", KEYS, Judgement.TAKE),
    "enrolment": (TELL, LOGIN, NATIVE, None, "", KEYS, Judgement.ENROL),
    "enrolment where none is asked for": (TELL, LOGIN, NATIVE, None, "", DEFAULT, Judgement.ENROL),
    "enrolment without a log-in": (TELL, NO_PROOF, NATIVE, None, "", DEFAULT, Judgement.ASK_LOGIN),
    "enrolment of a stock agent": (TELL, LOGIN, UNIX, None, "", DEFAULT, Judgement.ASK_LOGIN),
    "a key that nobody knows": (ASK, Proof(key=OWN), NATIVE, None, "", DEFAULT, Judgement.ASK_KEY),
    "the key": (ASK, Proof(key=OWN), NATIVE, None, hash_key(OWN), KEYS, Judgement.TAKE),
    "another key": (ASK, Proof(key=OTHER), NATIVE, None, hash_key(OWN), KEYS, Judgement.ASK_KEY),
    "no key": (ASK, NO_PROOF, NATIVE, None, hash_key(OWN), DEFAULT, Judgement.ASK_KEY),
    "a log-in for a key": (ASK, LOGIN, NATIVE, None, hash_key(OWN), DEFAULT, Judgement.ASK_KEY),
    "as another agent": (ASK, LOGIN, UNIX, None, hash_key(OWN), DEFAULT, Judgement.ASK_KEY),
    "the same enrolment again": (TELL, LOGIN, NATIVE, None, hash_key(OWN), KEYS, Judgement.TAKE),
    "the same without a log-in": (TELL, NO_PROOF, NATIVE, None, hash_key(OWN), KEYS, Judgement.ASK_KEY),
    "an enrolment over another": (TELL, LOGIN, NATIVE, None, hash_key(OTHER), KEYS, Judgement.ASK_KEY),
}


@pytest.mark.parametrize(
    ("request_", "proof", "agent", "tag", "known", "settings", "verdict"), CASES.values(), ids=CASES
)
def test_verdicts(
    request_: Any, proof: Proof, agent: str, tag: str | None, known: str, settings: AgentSettings, verdict: Judgement
) -> None:
    assert judge(request_, proof, agent, tag, known, settings) is verdict


def answer(origin: TestOrigin, request: Any, proof: Proof) -> tuple[int, bytes]:
    origin.proof = proof
    (reply,) = origin.post_all(request)
    return reply.status, reply.body


def test_a_native_agent_enrols_and_then_nobody_else_speaks_for_its_computer(origin: TestOrigin) -> None:
    origin.user_agent = NATIVE
    origin.values["agents.native_keys"] = True
    assert answer(origin, ASK, NO_PROOF) == (401, f"{KEY}\n".encode())
    assert answer(origin, TELL, LOGIN)[0] == 200
    (event,) = origin.events(Kind.COMPUTER_ENROLLED)
    assert event.detail == {"login": "school", "address": "10.0.0.9"}
    assert answer(origin, TELL, LOGIN)[0] == 200  # the reply was lost
    assert answer(origin, ASK, Proof(key=OWN))[0] == 200
    origin.user_agent = UNIX
    for request in (ASK, InventoryRequest("pc", {}, {}, (), None), DownloadRequest("pc", "17", "SUCCESS")):
        assert answer(origin, request, LOGIN) == (401, f"{KEY}\n".encode())
    assert [event.detail["why"] for event in origin.events(Kind.CONTACT_REFUSED)] == [KEY]  # of one minute
    (row,) = origin.rows(schema.computers)
    assert OWN not in repr(row)


def test_a_stock_agents_deviceid_is_not_taken_over(origin: TestOrigin) -> None:
    origin.prolog()
    origin.user_agent = NATIVE
    assert answer(origin, TELL, LOGIN) == (401, f"{LOG_IN}\n".encode())
    origin.user_agent = UNIX
    assert answer(origin, ASK, NO_PROOF)[0] == 200


def test_after_a_revocation_it_enrols_anew(origin: TestOrigin) -> None:
    origin.user_agent = NATIVE
    origin.values["agents.native_keys"] = True
    answer(origin, TELL, LOGIN)
    origin.act(revocation.revoke, ["pc"], origin.now_s)
    assert answer(origin, ASK, Proof(key=OWN))[0] == 401
    assert answer(origin, PrologRequest("pc", OTHER), LOGIN)[0] == 200
    assert answer(origin, ASK, Proof(key=OTHER))[0] == 200


def test_the_computers_of_a_tag_must_log_in(origin: TestOrigin) -> None:
    origin.inventory(account={"TAG": "site 4"})
    origin.values["agents.login_tags"] = "site 4"
    assert answer(origin, ASK, NO_PROOF) == (401, f"{LOG_IN}\n".encode())
    assert answer(origin, ASK, LOGIN)[0] == 200
