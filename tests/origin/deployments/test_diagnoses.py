"""Why a package is not deployed: each situation is made in the catalogue, by agents that post and by what operators do.

The table says which causes a situation has, the first ones in their order, and a part of what is told of the first in
both languages.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from distd.catalogue.schema import computers as computer_table
from distd.catalogue.schema import packages as package_table
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.diagnosis.causes import CauseKind
from distd.domain.diagnosis.judging import first_cause
from distd.domain.mirror_rules import Via
from distd.domain.records import Action, Info, InventoryRequest, PrologRequest
from distd.domain.results import Outcome
from distd.domain.rollout_plan import RolloutLimits, RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import settings_of
from distd.origin.computers import computer_settings
from distd.origin.deployments import acts, diagnoses, progress, rollouts
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.diagnosis_facts import DiagnosisContext, read_facts
from distd.origin.deployments.progress import Fetched
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.mirrors import presence
from distd.origin.packages import packages, planned_activations, publishing, versions
from distd.origin.packages.planned_activations import Conditions
from tests.fixtures.databases import sqlite_database
from tests.fixtures.mirrors import add_mirror, report
from tests.fixtures.origin import ADMIN, NOW_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.origin import TestOrigin

    Make = Callable[[TestOrigin], None]

__all__ = ["sqlite_database"]

WINDOWS = "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
DAY_S = 86_400.0
SITUATIONS: dict[str, tuple[Make, list[str], str, str]] = {}


def situation(kinds: str, english: str, french: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        SITUATIONS[make.__name__] = (make, kinds.split(), english, french)
        return make

    return add


def context(origin: TestOrigin, **changes: Any) -> DiagnosisContext:
    known = DiagnosisContext(settings_of(origin.values), "origin:8080", "origin:8443", ("origin",), 2e9)
    return dataclasses.replace(known, **(getattr(origin, "server_changes", {}) | changes))


def causes(origin: TestOrigin, package_id: str | None = "17", device_id: str = "pc") -> Any:
    return origin.read(diagnoses.why, context(origin), device_id, package_id, origin.now_s)


def told(origin: TestOrigin, package_id: str = "17", **values: Any) -> None:
    """A computer whose agent is notified of the package, alone."""
    ready(origin, package_id, **values)
    assert package_id in origin.listed()


def ready(origin: TestOrigin, package_id: str = "17", **values: Any) -> None:
    """A computer whose history is known and which has the package assigned; it has been in contact just now."""
    contact(origin)
    terms = values.pop("terms", {})
    origin.package(package_id, plan="x", **values)
    origin.assign(package_id, **terms)


def contact(origin: TestOrigin) -> None:
    origin.prolog()
    origin.inventory()


def ended(origin: TestOrigin, code: str, *, fetch: bool = True) -> None:
    told(origin)
    if fetch:
        origin.fetch("17")
    origin.report("17", code)


def refused(origin: TestOrigin, request: Any = None) -> None:
    (reply,) = origin.post_all(request or PrologRequest("pc"))
    assert reply.status in (401, 403, 429)


def fetched(origin: TestOrigin, numbers: list[int], *, mirror: str = "") -> None:
    origin.write(progress.record, [Fetched(1, "17", numbers, 10 * len(numbers), mirror=mirror)], origin.now_s)


# --- the computer ---------------------------------------------------------------------------------------------------


@situation("UNKNOWN_COMPUTER", "No agent has ever made a contact as pc.", "Aucun agent n'a jamais pris contact")
def never_in_contact(origin: TestOrigin) -> None:
    origin.package("17")


@situation("TOO_MANY_COMPUTERS", "no more computers are taken", "plus aucun ordinateur n'est accepté")
def beyond_the_limit_of_computers(origin: TestOrigin) -> None:
    origin.prolog("other")
    origin.values["agents.max_computers"] = 1
    refused(origin)


@situation("TOO_MANY_NEW", "too many new computers came from there", "trop de nouveaux ordinateurs en venaient")
def too_many_new_ones(origin: TestOrigin) -> None:
    origin.values["agents.new_per_address"] = 1
    origin.prolog("other")
    refused(origin)


@situation("WAITING_ROOM", "It is in the waiting room", "Il est dans la salle d'attente")
def in_the_waiting_room(origin: TestOrigin) -> None:
    origin.values["agents.waiting_room"] = True
    origin.prolog()
    origin.package("17")
    origin.assign("17")
    assert origin.listed() == []


@situation("WRONG_NETWORK NO_TURN", "it came from 10.0.0.9, and the computer is bound to 10.9.0.0/16", "10.0.0.9")
def from_another_network(origin: TestOrigin) -> None:
    ready(origin)
    origin.act(computer_settings.change, ["pc"], {"networks": "10.9.0.0/16"}, origin.now_s)
    origin.now_s += 60
    origin.values["download.period_length"] = 3
    refused(origin)


@situation("NO_KEY", "it did not have the key of this computer", "il n'avait pas la clé")
def without_its_key(origin: TestOrigin) -> None:
    ready(origin)
    origin.now_s += 60
    origin.values["agents.native_keys"] = True
    origin.user_agent = "distd-agent/0.1"
    refused(origin)


@situation("NO_LOGIN", "its agent did not log in", "son agent ne s'est pas identifié")
def without_a_login(origin: TestOrigin) -> None:
    contact(origin)
    origin.inventory(account={"TAG": "room 4"})
    origin.package("17")
    origin.assign("17")
    origin.now_s += 60
    origin.values["agents.login_tags"] = "room 4"
    refused(origin)


@situation("NO_CONTACT_SINCE", "It has made no contact since the package was assigned", "aucun contact depuis")
def no_contact_since(origin: TestOrigin) -> None:
    contact(origin)
    origin.now_s += 60
    origin.package("17")
    origin.assign("17")


@situation("CONTACT_OVERDUE", "although a contact was expected", "alors qu'un contact était attendu")
def silent_for_days(origin: TestOrigin) -> None:
    ready(origin)
    origin.now_s += 3 * DAY_S


# --- the package ----------------------------------------------------------------------------------------------------


@situation("UNKNOWN_PACKAGE", "There is no package 17.", "Il n'y a pas de paquet 17.")
def an_unknown_package(origin: TestOrigin) -> None:
    contact(origin)


@situation("NOT_ASSIGNED", "Package 17 is not assigned to it.", "Le paquet 17 ne lui est pas affecté.")
def not_assigned(origin: TestOrigin) -> None:
    contact(origin)
    origin.package("17")


def rolled_out(origin: TestOrigin, *acts: RolloutAct, **plan: Any) -> None:
    """In wave 2, after another computer."""
    contact(origin)
    origin.prolog("first")
    origin.package("17")
    waves = WavePlan(WaveBy.FILTER, "device_id = first"), WavePlan(WaveBy.REST)
    who = AssignmentOrigin(OriginKind.FILTER)
    new = NewRollout("Putty", "17", who, RolloutPlan(waves, **plan))
    origin.act(rollouts.create, new, origin.now_s)
    for act in acts:
        origin.act(rollouts.act, "putty", act, origin.now_s, settings_of({}).download)


@situation(
    "WAVE_NOT_OPEN", "in wave 2 of the roll-out Putty, which is not open yet (open: 1).", "n'est pas encore ouverte"
)
def a_wave_that_is_not_open(origin: TestOrigin) -> None:
    rolled_out(origin, RolloutAct.START)


def test_what_a_roll_out_is_to_give_is_told_unasked(origin: TestOrigin) -> None:
    rolled_out(origin, RolloutAct.START)
    assert [cause.kind for cause in causes(origin, None)] == [CauseKind.WAVE_NOT_OPEN]
    origin.act(rollouts.act, "putty", RolloutAct.STOP, origin.now_s, settings_of({}).download)
    assert [cause.kind for cause in causes(origin, None)] == [CauseKind.NOTHING_ASSIGNED]


@situation("ROLLOUT_RESTS", "does not go on now: it is PAUSED", "n'avance pas maintenant : son état est PAUSED")
def a_roll_out_that_rests(origin: TestOrigin) -> None:
    rolled_out(origin, RolloutAct.START, RolloutAct.OPEN_WAVE, RolloutAct.PAUSE)


@situation("ROLLOUT_NEXT", "as soon as the roll-out's times and limits let it", "dès que les horaires et les limites")
def the_next_of_a_roll_out(origin: TestOrigin) -> None:
    rolled_out(origin, RolloutAct.START, RolloutAct.OPEN_WAVE, limits=RolloutLimits(at_once=1))


@situation("ROLLOUT_PASSED_OVER", "which has passed it over", "l'a laissé de côté")
def one_that_a_roll_out_has_passed_over(origin: TestOrigin) -> None:
    rolled_out(origin, RolloutAct.START)
    origin.write(lambda conn: conn.execute(update(package_table).values(os="WINDOWS")))
    origin.write(lambda conn: conn.execute(update(computer_table).values(os_name="Debian GNU/Linux")))
    origin.act(rollouts.act, "putty", RolloutAct.OPEN_WAVE, origin.now_s, settings_of({}).download)


@situation("DELETED NOT_ASSIGNED", "Package 17 is deleted.", "Le paquet 17 est supprimé.")
def a_deleted_package(origin: TestOrigin) -> None:
    not_assigned(origin)
    origin.write(lambda conn: conn.execute(update(package_table).values(deleted_at_us=1)))


@situation("WITHDRAWN NOT_ASSIGNED", "The package is withdrawn", "Le paquet est retiré")
def a_withdrawn_package(origin: TestOrigin) -> None:
    ready(origin)
    origin.act(packages.mark_withdrawn, "17", 2, origin.now_s)


@situation("SUPERSEDED", "superseded by 18", "remplacé par 18")
def a_superseded_package(origin: TestOrigin) -> None:
    ready(origin)
    origin.act(packages.deactivate, "17", origin.now_s)
    origin.write(lambda conn: conn.execute(update(package_table).values(superseded_by="18")))


@situation("NOT_ACTIVE", "The package is not active", "Le paquet n'est pas actif")
def not_active(origin: TestOrigin) -> None:
    ready(origin)
    origin.act(packages.deactivate, "17", origin.now_s)


@situation("PLANNED", "its activation is planned", "son activation est prévue")
def its_activation_is_planned(origin: TestOrigin) -> None:
    not_active(origin)
    wanted = Conditions(0, origin.now_s + 3600)
    origin.act(planned_activations.plan, "17", Via.STEER, wanted, origin.now_s)


# --- not told yet ---------------------------------------------------------------------------------------------------


@situation("INSTALLED", "in the agent's history already", "déjà dans l'historique de l'agent")
def in_its_history(origin: TestOrigin) -> None:
    origin.values["agents.trust_history"] = True
    origin.prolog()
    origin.inventory("17")
    origin.package("17")
    origin.assign("17")


@situation("CLAIMED", "this server never delivered it", "ce serveur ne l'a jamais livré")
def in_its_history_but_unproven(origin: TestOrigin) -> None:
    origin.prolog()
    origin.inventory("17")
    origin.package("17", plan="x")
    origin.assign("17")
    assert origin.listed() == []


@situation("NO_CONTACT_SINCE TOO_LATE", "made no contact", "aucun contact")
def its_time_is_over(origin: TestOrigin) -> None:
    contact(origin)
    origin.now_s += 60
    origin.package("17")
    origin.assign("17", not_after_s=origin.now_s + 60)
    origin.now_s += 120


@situation("TOO_EARLY", "It is not to begin before", "Il ne doit pas commencer avant")
def its_time_has_not_come(origin: TestOrigin) -> None:
    ready(origin, terms={"not_before_s": 1_700_000_600.0})
    assert origin.listed() == []


@situation("WAITS_FOR_PACKAGE", "the success of package 18, which is WAITING", "succès du paquet 18")
def waits_for_another_package(origin: TestOrigin) -> None:
    contact(origin)
    for package_id in ("17", "18"):
        origin.package(package_id)
    origin.assign("18", not_before_s=origin.now_s + 600)
    origin.assign("17", after="18")
    assert origin.listed() == []


@situation("WAITS_FOREVER", "package 18, which is not assigned", "18, qui n'est pas affecté")
def waits_for_what_is_not_assigned(origin: TestOrigin) -> None:
    waits_for_another_package(origin)
    origin.unassign("18")


@situation("SWITCHED_OFF", "Downloads are switched off by download.on", "Les téléchargements sont désactivés par")
def downloads_are_off(origin: TestOrigin) -> None:
    ready(origin)
    origin.values["download.on"] = False
    assert origin.listed() == []


@situation("BUSY_CHILD", "still busy with 18", "encore occupé par 18")
def its_agent_is_busy(origin: TestOrigin) -> None:
    told(origin, "18")
    origin.package("17")
    origin.assign("17")
    assert origin.listed() == ["18"]


@situation("PRIORITY_ZERO", "this one and 18 wait", "celui-ci et 18")
def beside_a_package_of_priority_0(origin: TestOrigin) -> None:
    contact(origin)
    origin.package("17")
    origin.package("18", priority=0)
    origin.assign("17")
    origin.assign("18")


@situation("UNKNOWN_HISTORY", "Its first inventory is missing", "Son premier inventaire manque")
def its_first_inventory_is_missing(origin: TestOrigin) -> None:
    origin.prolog()
    origin.package("18", priority=3)
    origin.package("17")
    origin.assign("18")
    origin.assign("17")


@situation("LISTED_NEXT", "Nothing holds it back", "Rien ne le retient")
def at_its_next_contact(origin: TestOrigin) -> None:
    ready(origin)


# --- it cannot take it ----------------------------------------------------------------------------------------------


@situation("OTHER_SYSTEM LISTED_NEXT", "for LINUX, and the computer has FreeBSD", "pour LINUX, et l'ordinateur a")
def another_system(origin: TestOrigin) -> None:
    origin.prolog()
    origin.package("17")
    origin.write(lambda conn: conn.execute(update(package_table).values(os="LINUX")))
    origin.assign("17")
    origin.inventory(hardware={"NAME": "PC", "OSNAME": "FreeBSD"})


@situation("LITTLE_DISK LISTED_NEXT", "the agent needs three times the package: 2.8 GiB", "2,8\u00a0Gio")
def little_disk(origin: TestOrigin) -> None:
    ready(origin)
    origin.write(lambda conn: conn.execute(update(package_table).values(size_bytes=10**9)))
    drive = {"VOLUMN": "/", "TYPE": "/", "FILESYSTEM": "ext4", "TOTAL": "9000", "FREE": "700"}
    hardware = {"NAME": "PC"}
    origin.post(InventoryRequest("pc", hardware, {}, (), frozenset(), drives=(drive,)))


@situation("NO_TURN", "Priority 5 never has a turn: a period has only 3 cycles.", "La priorité 5 n'a jamais son tour")
def a_priority_beyond_the_period(origin: TestOrigin) -> None:
    ready(origin)
    origin.values["download.period_length"] = 3


@situation("LISTED_NEXT OPTION_IGNORED", "Nothing holds it back", "Rien ne le retient")
def an_option_that_the_agent_ignores(origin: TestOrigin) -> None:
    ready(origin, terms={"schedule": "2026/12/01 18:00", "postcmd": "reboot"})


# --- told -----------------------------------------------------------------------------------------------------------


@situation("WITHDRAWN_TOLD", "gets empty fragments and reports ERR_BAD_DIGEST", "signalera ERR_BAD_DIGEST")
def withdrawn_after_it_was_told(origin: TestOrigin) -> None:
    told(origin)
    origin.act(packages.mark_withdrawn, "17", 2, origin.now_s)


@situation("CANCELLED_TOLD", "It is cancelled for this computer", "Il est annulé pour cet ordinateur")
def cancelled_after_it_was_told(origin: TestOrigin) -> None:
    told(origin)
    origin.act(acts.cancel, "17", ChosenAssignments(device_ids=["pc"]), origin.now_s)


@situation("STARVED", "Package 18 of priority 0 keeps all others", "Le paquet 18 de priorité 0 prive")
def starved_by_one_that_became_priority_0(origin: TestOrigin) -> None:
    origin.user_agent = WINDOWS
    told(origin)
    told(origin, "18")
    info = Info("18", 0, Action.STORE, "/x", 3, "0" * 32)
    origin.act(packages.mark_edited, info, 2, origin.now_s)


@situation("SCHEDULED", "is to deploy it at 2099/12/01 18:00", "doit le déployer le 2099/12/01 18:00")
def scheduled_for_later(origin: TestOrigin) -> None:
    origin.user_agent = WINDOWS
    told(origin, terms={"schedule": "2099/12/01 18:00"})


@situation("CERTIFICATE_NAME", "the certificate is for other, 10.0.0.1", "le certificat est pour other, 10.0.0.1")
def a_name_that_is_not_in_the_certificate(origin: TestOrigin) -> None:
    told(origin)
    origin.server_changes = {"names": ("other", "10.0.0.1")}  # type: ignore[attr-defined]


@situation("CERTIFICATE_ENDED", "The server's certificate ended", "Le certificat du serveur a pris fin")
def an_old_certificate(origin: TestOrigin) -> None:
    told(origin)
    origin.server_changes = {"ends_at_s": 1_600_000_000.0}  # type: ignore[attr-defined]


@situation("INFO_NOT_FETCHED", "when it cannot fetch `info` from origin:8443", "`info` de origin:8443")
def a_windows_agent_that_fetches_nothing(origin: TestOrigin) -> None:
    origin.user_agent = WINDOWS
    told(origin)
    origin.now_s += 3600


@situation("NO_FRAGMENT", "has fetched no fragment", "n'a téléchargé aucun fragment")
def a_unix_agent_that_fetches_nothing(origin: TestOrigin) -> None:
    told(origin)
    origin.now_s += 3600


@situation("STALLED", "It has 1 of 3 fragments and waits for number 2", "Il a 1 fragments sur 3 et attend le numéro 2")
def stuck_at_a_fragment(origin: TestOrigin) -> None:
    told(origin)
    origin.fetch("17")
    origin.now_s += 3600


@situation(
    "MIRROR_LOST STALLED", "from redistribution server lyon, which is offline", "redistribution lyon, hors ligne"
)
def its_mirror_is_lost(origin: TestOrigin) -> None:
    lyon = add_mirror(origin, "lyon")
    told(origin)
    report(origin, lyon, have=[["17", 1]])
    fetched(origin, [1], mirror="lyon")
    origin.write(presence.set_lost, lyon, origin.now_s)
    origin.now_s += 3600


@situation("MIRROR_BAD STALLED", "lyon has a damaged file of the package, 17-2", "lyon a un fichier corrompu")
def its_mirror_has_a_bad_file(origin: TestOrigin) -> None:
    lyon = add_mirror(origin, "lyon")
    told(origin)
    report(origin, lyon, have=[["17", 1]])
    fetched(origin, [1], mirror="lyon")
    report(origin, lyon, faults=[["17", "17-2", False]])
    origin.now_s += 3600
    report(origin, lyon)


@situation("FIRST_TURN MIRROR_NOT_READY", "its first turn is due", "son premier tour lui revient")
def its_mirror_is_not_ready(origin: TestOrigin) -> None:
    add_mirror(origin, "lyon", networks=("10.0.0.0/8",))
    told(origin)


@situation("LINE_FULL FIRST_TURN", "leave 1 kB/s to each computer", "laissent 1\u00a0ko/s à chaque ordinateur")
def on_a_full_line(origin: TestOrigin) -> None:
    told(origin)
    origin.write(lambda conn: conn.execute(update(package_table).values(size_bytes=3 * 10**6)))
    origin.values["bandwidth.rules"] = "1kB/s each"


@situation("ON_SCHEDULE", "1 of 3 fragments", "1 fragments sur 3")
def on_its_schedule(origin: TestOrigin) -> None:
    origin.values |= {"download.cycle_latency_s": 60, "download.frag_latency_s": 60}
    told(origin)
    origin.fetch("17")
    origin.now_s += 700  # 5 cycles of 60 s and a fragment's 60 s are a turn


@situation("FIRST_TURN", "its first turn is due until", "son premier tour lui revient")
def before_its_first_turn(origin: TestOrigin) -> None:
    told(origin)
    origin.now_s += 30


@situation("ALL_FETCHED", "It has all 3 fragments", "Il a les 3 fragments")
def all_is_fetched(origin: TestOrigin) -> None:
    told(origin)
    fetched(origin, [1, 2, 3])
    origin.now_s += 3600


@situation("NO_RESULT", "a command that needs no file", "une commande sans fichier")
def a_command_without_a_result(origin: TestOrigin) -> None:
    told(origin, fragments=0)
    origin.now_s += 3600


@situation("ELSEWHERE", "Its fragments come from files:80/x", "Ses fragments viennent de files:80/x")
def from_another_server(origin: TestOrigin) -> None:
    contact(origin)
    origin.package("17", active=False)
    origin.act(packages.activate, "17", "files:443/x", "files:80/x", origin.now_s)
    origin.assign("17")
    origin.listed()
    origin.now_s += 3600


@situation("FIRST_TURN FETCHED_UNNAMED", "its first turn", "son premier tour")
def on_a_path_without_a_name(origin: TestOrigin) -> None:
    told(origin)
    origin.write(progress.record, [Fetched(0, "17", [1, 2], 20, "10.0.0.9", "lyon")], origin.now_s)


@situation("ON_SCHEDULE FETCHED_TWICE", "1 of 3", "1 fragments sur 3")
def a_fragment_twice(origin: TestOrigin) -> None:
    told(origin)
    origin.fetch("17")
    origin.fetch("17")


# --- ended ----------------------------------------------------------------------------------------------------------


@situation("SUCCEEDED", "The package is deployed.", "Le paquet est déployé.")
def deployed(origin: TestOrigin) -> None:
    ended(origin, "SUCCESS")


@situation("UNPROVEN", "no fragment of the package was sent", "aucun fragment du paquet n'a été envoyé")
def a_success_without_a_fragment(origin: TestOrigin) -> None:
    ended(origin, "SUCCESS", fetch=False)


@situation("ARCHIVED", "an operator has archived that", "un opérateur l'a archivé")
def archived(origin: TestOrigin) -> None:
    ended(origin, "SUCCESS")
    origin.act(acts.archive, "17", ChosenAssignments([Outcome.SUCCESS]), origin.now_s)


@situation("SUCCEEDED CONTRADICTED", "It is deployed", "Il est déployé")
def contradicted(origin: TestOrigin) -> None:
    ended(origin, "SUCCESS")
    origin.report("17", "ERR_CLEAN")


@situation("INFO_FAILED", "could not fetch `info` from origin:8443", "n'a pas pu télécharger `info` de origin:8443")
def info_could_not_be_fetched(origin: TestOrigin) -> None:
    ended(origin, "ERR_DOWNLOAD_INFO", fetch=False)


@situation("INFO_FAILED CERTIFICATE_NAME", "could not fetch `info`", "n'a pas pu télécharger `info`")
def info_could_not_be_fetched_by_that_name(origin: TestOrigin) -> None:
    info_could_not_be_fetched(origin)
    origin.server_changes = {"names": ("other",)}  # type: ignore[attr-defined]


@situation("DISK_FULL", "disk was too full", "Le disque de l'ordinateur était trop plein")
def the_disk_was_full(origin: TestOrigin) -> None:
    ended(origin, "ERR_OUT_OF_SPACE")


@situation("BAD_DIGEST", "had the wrong digest", "n'avait pas la bonne empreinte")
def a_wrong_digest(origin: TestOrigin) -> None:
    ended(origin, "ERR_BAD_DIGEST")


@situation("TIMED_OUT", "not complete within 30 days", "n'était pas complet en 30 jours")
def timed_out(origin: TestOrigin) -> None:
    ended(origin, "ERR_TIMEOUT")


@situation("EXPIRED", "Its agent was not notified before", "Son agent n'a pas été notifié avant")
def not_notified_in_time(origin: TestOrigin) -> None:
    ready(origin, terms={"not_after_s": 1_700_000_060.0})
    origin.now_s += 120
    assert origin.listed() == []


@situation("REFUSED_BY_USER", "The user of the computer refused the package", "L'utilisateur de l'ordinateur a refusé")
def the_user_refused(origin: TestOrigin) -> None:
    ended(origin, "ERR_ABORTED")


@situation("CANCELLED", "It was cancelled for this computer", "Il a été annulé pour cet ordinateur")
def cancelled(origin: TestOrigin) -> None:
    cancelled_after_it_was_told(origin)
    origin.report("17", "ERR_BAD_DIGEST")


@situation("EXIT_CODE", "The command ended with exit code 3.", "La commande s'est terminée avec le code 3.")
def an_exit_code(origin: TestOrigin) -> None:
    ended(origin, "SUCCESS_3")


@situation("FAILED", "with ERR_BUILD: The fragments could not be assembled", "avec ERR_BUILD")
def another_error(origin: TestOrigin) -> None:
    ended(origin, "ERR_BUILD")


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_and_what_is_told_of_it(origin: TestOrigin, name: str) -> None:
    make, kinds, english, french = SITUATIONS[name]
    make(origin)
    found = causes(origin)
    facts = origin.read(read_facts, context(origin), "pc", "17", origin.now_s)
    assert first_cause(facts) == found[0]
    assert [str(cause.kind) for cause in found][: len(kinds)] == kinds
    for language, part in (("en", english), ("fr", french)):
        first = diagnoses.tell(found, language)[0]
        assert part in first.sentence
        assert "{" not in first.sentence + first.advice
        assert "–" not in first.sentence  # nothing that it tells is unknown


def test_there_are_enough_situations_and_each_kind_has_one() -> None:
    made = {kind for _, kinds, _, _ in SITUATIONS.values() for kind in kinds}
    assert len(SITUATIONS) >= 30
    assert set(CauseKind) - made == {"NOTHING_ASSIGNED", "NOT_JUDGED"}


def test_a_computer_as_a_whole(origin: TestOrigin) -> None:
    contact(origin)
    assert [cause.kind for cause in causes(origin, None)] == [CauseKind.NOTHING_ASSIGNED]
    its_agent_is_busy(origin)
    found = causes(origin, None)
    assert [(cause.package_id, cause.kind) for cause in found] == [("17", "BUSY_CHILD"), ("18", "FIRST_TURN")]
    assert [cause.kind for cause in causes(origin, None, "nobody")] == [CauseKind.UNKNOWN_COMPUTER]


def test_a_package_as_a_whole(origin: TestOrigin) -> None:
    names = [f"pc{number}" for number in range(6)]
    for name in names:
        origin.prolog(name)
        origin.inventory(device_id=name)
    origin.now_s += 60
    origin.package("17", plan="x")
    for name in names:
        origin.assign("17", name)
    for name in names[:3]:
        assert origin.listed(name) == ["17"]
    origin.report("17", "ERR_DOWNLOAD_INFO", names[0])
    origin.fetch("17", names[1])
    origin.now_s += 3600
    groups = origin.read(diagnoses.group_by_cause, context(origin), "17", origin.now_s, "en")
    assert {group.sentence: group.examples for group in groups} == {
        "3 without a contact since it was assigned": names[3:],
        "1 not reaching the HTTPS port, or refusing its certificate": [],
        "1 stuck at a fragment": [names[1]],
        "1 without any fragment": [names[2]],
    }
    french = origin.read(diagnoses.group_by_cause, context(origin), "17", origin.now_s, "fr")
    assert french[0].sentence == "3 sans contact depuis l'affectation"


def test_of_a_whole_package_so_many_are_looked_at(origin: TestOrigin) -> None:
    origin.package("17")
    for name in ("a", "b", "c"):
        origin.prolog(name)
        origin.assign("17", name)
    groups = origin.read(diagnoses.group_by_cause, context(origin), "17", origin.now_s, "en", 1)
    assert [(group.kind, group.computers) for group in groups] == [("NOT_JUDGED", 2), ("LISTED_NEXT", 1)]


def test_a_package_that_is_superseded_and_deleted_with_its_files(
    origin: TestOrigin, package_store: Any, publish: Any, tmp_path: Path
) -> None:
    old = publish()
    origin.act(packages.activate, old.id, None, None, origin.now_s)
    contact(origin)
    origin.assign(old.id)
    newer = tmp_path / "newer.txt"
    newer.write_bytes(b"newer")
    successor = versions.Successor(newer, None, None, with_assignments=False)
    new = versions.supersede(package_store, ADMIN, old.id, successor, NOW_S + 1)
    (first, *_) = causes(origin, old.id)
    assert (first.kind, first.facts["superseded_by"]) == (CauseKind.SUPERSEDED, new.id)
    origin.unassign(old.id)
    publishing.delete(package_store, ADMIN, old.id, NOW_S + 2)
    assert [cause.kind for cause in causes(origin, old.id)] == [CauseKind.DELETED, CauseKind.NOT_ASSIGNED]
