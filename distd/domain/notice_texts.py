"""What notices say to people, in English and French. Pure: times come as texts.

Facts stand in braces; `{name}` is the name of what the condition is of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.conditions import ConditionKind, NoticePhase
from distd.domain.units import format_size, format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.conditions import Facts


@dataclass(frozen=True, slots=True)
class NoticeTexts:
    """Of one language. `begins`, `ends`: a sentence for each kind; `over` comes before what has ended."""

    begins: Mapping[ConditionKind, str]
    ends: Mapping[ConditionKind, str]
    advice: Mapping[ConditionKind, str]
    since: str
    test: str


_K = ConditionKind
ENGLISH: Final = NoticeTexts(
    begins={
        _K.ROLLOUT_HALTED: "Roll-out {name} is halted: {reason}",
        _K.DEPLOYMENT_STALLED: "{stalled} of {fetching} computers that fetch {name} have stalled",
        _K.MIRROR_LOST: "Redistribution server {name} is offline",
        _K.DISK_LOW: "Only {free} are free for packages on {name}",
        _K.CERTIFICATE_ENDS: "The certificate of {name} ends on {ends}",
    },
    ends={
        _K.ROLLOUT_HALTED: "Roll-out {name} is not halted any more",
        _K.DEPLOYMENT_STALLED: "Computers fetch {name} again",
        _K.MIRROR_LOST: "Redistribution server {name} is online again",
        _K.DISK_LOW: "There is space for packages again on {name}",
        _K.CERTIFICATE_ENDS: "The certificate of {name} is renewed",
    },
    advice={
        _K.ROLLOUT_HALTED: "See `distd rollout show`; then resume, stop or roll back.",
        _K.DEPLOYMENT_STALLED: "`distd why --package {subject}` groups them by what is in the way.",
        _K.MIRROR_LOST: "See `distd mirror show {name}`; agents fetch elsewhere meanwhile.",
        _K.DISK_LOW: "Delete packages that nobody needs, or enlarge the disk.",
        _K.CERTIFICATE_ENDS: "`distd keys rotate server` makes a new one.",
    },
    since="Since {since}.",
    test="distd can send notices from {name}",
)
FRENCH: Final = NoticeTexts(
    begins={
        _K.ROLLOUT_HALTED: "Le déploiement par vagues {name} est arrêté : {reason}",
        _K.DEPLOYMENT_STALLED: "{stalled} des {fetching} ordinateurs qui téléchargent {name} n'avancent plus",
        _K.MIRROR_LOST: "Le serveur de redistribution {name} ne répond plus",
        _K.DISK_LOW: "Il ne reste que {free} pour les paquets sur {name}",
        _K.CERTIFICATE_ENDS: "Le certificat de {name} expire le {ends}",
    },
    ends={
        _K.ROLLOUT_HALTED: "Le déploiement par vagues {name} n'est plus arrêté",
        _K.DEPLOYMENT_STALLED: "Les ordinateurs téléchargent de nouveau {name}",
        _K.MIRROR_LOST: "Le serveur de redistribution {name} répond de nouveau",
        _K.DISK_LOW: "Il y a de nouveau de la place pour les paquets sur {name}",
        _K.CERTIFICATE_ENDS: "Le certificat de {name} est renouvelé",
    },
    advice={
        _K.ROLLOUT_HALTED: "Voir `distd rollout show` ; puis reprendre, arrêter ou revenir en arrière.",
        _K.DEPLOYMENT_STALLED: "`distd why --package {subject}` les groupe par cause.",
        _K.MIRROR_LOST: "Voir `distd mirror show {name}` ; les agents téléchargent ailleurs en attendant.",
        _K.DISK_LOW: "Supprimer les paquets inutiles, ou agrandir le disque.",
        _K.CERTIFICATE_ENDS: "`distd keys rotate server` en crée un nouveau.",
    },
    since="Depuis le {since}.",
    test="distd peut envoyer des avis depuis {name}",
)
LANGUAGES: Final[Mapping[str, NoticeTexts]] = {"en": ENGLISH, "fr": FRENCH}


@dataclass(frozen=True, slots=True)
class NoticeMessage:
    """What is sent of a notice. `id` is the same whenever it is sent again; `kind` "": of a test."""

    id: str
    phase: NoticePhase
    kind: str
    subject: str
    name: str
    server: str
    since_s: float
    at_s: float
    facts: Facts
    title: str
    text: str


def describe(
    kind: ConditionKind, subject: str, name: str, phase: NoticePhase, since_s: float, facts: Facts, language: str
) -> tuple[str, str]:
    """Its title, a sentence, and what else there is to say."""
    texts = LANGUAGES[language]
    values: dict[str, object] = {"name": name, "subject": subject, "reason": "", **facts}
    values["free"] = format_size(float(facts.get("free_bytes", 0)))
    values["ends"] = format_time(float(facts.get("ends_at_s", 0)))
    if phase is NoticePhase.ENDED:
        return texts.ends[kind].format_map(values), texts.since.format(since=format_time(since_s))
    since = texts.since.format(since=format_time(since_s))
    return texts.begins[kind].format_map(values), f"{since} {texts.advice[kind].format_map(values)}"
