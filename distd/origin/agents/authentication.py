"""Whether a POST is to be believed to come from the computer whose DEVICEID it has. Pure.

Stock agents can log in by a name and a password that they share. distd's own agent makes a key of its own: at its
enrolment, which needs such a log-in, it tells the key, and from then on nobody without the key speaks for its computer.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.domain.records import InventoryRequest, PrologRequest
from distd.origin.agents.listing import NATIVE

if TYPE_CHECKING:
    from distd.domain.records import Request
    from distd.domain.settings import AgentSettings

LOG_IN: Final = "expected the name and the password of a login of agents"
KEY: Final = "expected the key of this computer"


class Judgement(Enum):
    """What is done with a POST."""

    TAKE = auto()
    ENROL = auto()  # take it, and keep the hash of its key
    ASK_LOGIN = auto()
    ASK_KEY = auto()


@dataclass(frozen=True, slots=True)
class Proof:
    """What came with a POST. `login`: the name whose password was right; `key`: the bearer's. Empty: none."""

    login: str = ""
    key: str = ""


NO_PROOF: Final = Proof()


def judge(
    request: Request, proof: Proof, user_agent: str, tag: str | None, known_hash: str, settings: AgentSettings
) -> Judgement:
    """`tag` is the computer's; `known_hash` that of its key, empty: it has none."""
    told = request.key if isinstance(request, PrologRequest) else ""
    if known_hash:
        is_again = bool(told and proof.login) and _is_of(known_hash, told)  # the reply to its enrolment was lost
        return Judgement.TAKE if is_again or _is_of(known_hash, proof.key) else Judgement.ASK_KEY
    if told and proof.login and user_agent.startswith(NATIVE):
        return Judgement.ENROL
    if told or proof.key or (settings.native_keys and user_agent.startswith(NATIVE)):
        return Judgement.ASK_LOGIN if told else Judgement.ASK_KEY
    if settings.login_tags and not proof.login:
        tags = {each.strip() for each in settings.login_tags.split(",")} - {""}
        claimed = request.account.get("TAG", "") if isinstance(request, InventoryRequest) else ""
        if tag in tags or claimed in tags:
            return Judgement.ASK_LOGIN
    return Judgement.TAKE


def hash_key(key: str) -> str:
    """What the catalogue keeps of a key: its 256 random bits need no slow hash."""
    return blake3(key.encode()).hexdigest()


def _is_of(known_hash: str, key: str) -> bool:
    return bool(key) and hmac.compare_digest(known_hash, hash_key(key))
