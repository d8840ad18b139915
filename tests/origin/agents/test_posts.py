"""What agents' POSTs are answered, and what the catalogue knows afterwards."""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.catalogue.schema import NAME_LIMIT
from distd.catalogue.writer import BatchLimits, open_batcher
from distd.domain.errors import BadInput, TooLarge
from distd.domain.mirror_rules import Field, Via
from distd.domain.page import EVERYTHING
from distd.domain.records import DownloadRequest, InventoryRequest, PrologRequest
from distd.domain.settings import Settings
from distd.origin.agents import posts, requests
from distd.origin.agents.pack_lines import MAX_MIRRORS
from distd.origin.computers import computers, revocation
from distd.origin.computers.computers import WantedComputers
from distd.origin.mirrors import directory
from distd.origin.packages import packages
from distd.wire import ocs, tokens
from tests.fixtures.mirrors import add_mirror, report

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

WINDOWS = "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
DAY_S = 86_400

ALL_COMPUTERS = WantedComputers()


def kinds(origin: Any, *wanted: Any) -> Any:
    return [(event.kind.value, event.package_id, event.detail.get("code")) for event in origin.events(*wanted)]


def token_of(origin: TestOrigin, generation: int = 0) -> str:
    """Of the first computer: it counts for download.timeout_days and agents.token_extra_days."""
    return tokens.make(b"k" * 32, 1, tokens.last_day(origin.now_s, 60), generation)


def test_the_first_contact_adds_a_computer(origin: TestOrigin) -> None:
    reply = origin.prolog("pc-2026-11-22-23-59-03")
    assert reply.send_inventory
    assert reply.prolog_freq_h == 24
    assert reply.packs == ()
    assert reply.config == origin.context.settings.download
    (computer,) = origin.read(computers.list_computers, ALL_COMPUTERS, EVERYTHING).items
    assert (computer.device_id, computer.address) == ("pc-2026-11-22-23-59-03", "10.0.0.9")
    assert computer.user_agent == "OCS-NG_unified_unix_agent_v2.10.0"
    assert [event.kind for event in origin.events()] == [Kind.COMPUTER_SEEN]


def test_the_second_contact_does_not(origin: TestOrigin) -> None:
    origin.prolog()
    origin.now_s += 60
    origin.prolog()
    (computer,) = origin.read(computers.list_computers, ALL_COMPUTERS, EVERYTHING).items
    assert computer.last_seen_at_s - computer.first_seen_at_s == 60
    assert len(origin.events()) == 1


# inventory_freq_days, days since the last inventory, whether one is wanted
FREQUENCIES = [(0, 0, True), (0, 9, True), (-1, 9, False), (3, 2.9, False), (3, 3.1, True)]


@pytest.mark.parametrize(("freq_days", "age_days", "wanted"), FREQUENCIES)
def test_when_an_inventory_is_wanted(origin: TestOrigin, freq_days: Any, age_days: Any, wanted: Any) -> None:
    origin.values["agents.inventory_freq_days"] = freq_days
    assert origin.prolog().send_inventory
    origin.inventory()
    origin.now_s += age_days * DAY_S
    assert origin.prolog().send_inventory is wanted


def test_an_inventory_describes_the_computer(origin: TestOrigin) -> None:
    hardware = {"NAME": "PC-7", "OSNAME": "Debian", "OSVERSION": "12", "IPADDR": "10.1.2.3", "WORKGROUP": "LAB"}
    networks = ({"MACADDR": "52:54:00:12:34:56", "IPADDRESS": "10.1.2.3"},)
    origin.post(InventoryRequest("pc", hardware | {"USERID": "ada"}, {"TAG": "R1"}, networks, frozenset({"1", "2"})))
    detail = origin.read(computers.show, "pc")
    computer = detail.computer
    assert (computer.name, computer.os_name, computer.os_version) == ("PC-7", "Debian", "12")
    assert (computer.ip, computer.workgroup, computer.userid, computer.tag) == ("10.1.2.3", "LAB", "ada", "R1")
    assert computer.last_inventory_at_s == origin.now_s
    assert detail.history == ["1", "2"]
    assert detail.inventory == {
        "hardware": hardware | {"USERID": "ada"},
        "account": {"TAG": "R1"},
        "networks": list(networks),
        "bios": {},
        "cpus": [],
        "memories": [],
        "drives": [],
        "storages": [],
        "printers": [],
        "monitors": [],
        "videos": [],
        "is_cut": False,
    }
    assert [event.kind for event in origin.events()] == [Kind.COMPUTER_SEEN, Kind.INVENTORY]


def test_an_inventory_is_answered_with_the_tag(origin: TestOrigin) -> None:
    assert origin.inventory() == {"TAG": "NA"}
    assert origin.inventory(account={"TAG": "R1"}) == {"TAG": "R1"}
    assert origin.inventory() == {"TAG": "R1"}


def test_an_inventory_replaces_the_history_if_it_has_one(pc: TestOrigin) -> None:
    pc.inventory("1", "2")
    pc.inventory("2", "3")
    assert pc.read(computers.show, "pc").history == ["2", "3"]
    pc.post(InventoryRequest("pc", {}, {}, (), None))
    assert pc.read(computers.show, "pc").history == ["2", "3"]
    pc.inventory()
    assert pc.read(computers.show, "pc").history == []


def test_changes_of_what_a_computer_is_known_by_are_events_and_flagged(pc: TestOrigin) -> None:
    """Whoever sends another's DEVICEID was not noticed before."""

    def inventory(serial: str, mac: str) -> None:
        networks = ({"MACADDR": mac},)
        pc.post(InventoryRequest("pc", {"NAME": "PC"}, {}, networks, frozenset(), {"SSN": serial}))

    inventory("S1", "52:54:00:00:00:01")
    assert pc.read(computers.show, "pc").computer.serial == "S1"
    assert pc.events(Kind.COMPUTER_CHANGED) == []
    pc.address = "10.0.0.10"  # a new lease
    pc.prolog()
    inventory("S2", "52:54:00:00:00:02")
    pc.user_agent = WINDOWS
    pc.prolog()
    pc.address = "10.99.0.1"
    pc.report("17", "SUCCESS")
    found = [(event.detail["fact"], event.detail["flagged"]) for event in pc.events(Kind.COMPUTER_CHANGED)]
    assert found == [("address", False), ("serial", True), ("mac", True), ("agent", True), ("address", True)]
    assert pc.events(Kind.COMPUTER_CHANGED)[-1].detail["before"] == "10.0.0.10"
    assert pc.read(computers.show, "pc").computer.changed == ["address", "agent", "mac", "serial"]
    pc.inventory()  # without them: they stay known
    assert pc.read(computers.show, "pc").computer.serial == "S2"


def test_very_long_texts_are_cut(origin: TestOrigin) -> None:
    origin.inventory(hardware={"NAME": "x" * 4000}, account={"TAG": "y" * 4000})
    computer = origin.read(computers.show, "pc").computer
    assert (len(computer.name), len(computer.tag)) == (255, 255)


def test_a_package_is_served_from_here_with_the_computers_token(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17", force=True, schedule="2026/12/01 08:00", postcmd="shutdown")
    (pack,) = pc.prolog().packs
    token = token_of(pc)
    assert (pack.info_loc, pack.pack_loc) == (f"origin:8443/download/~{token}", f"origin:8080/download/~{token}")
    assert (pack.force, pack.schedule, pack.postcmd) == (True, "2026/12/01 08:00", "shutdown")


def test_after_a_revocation_the_computer_gets_another_token(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    before = pc.prolog().packs[0].pack_loc
    pc.act(revocation.revoke, ["pc"], pc.now_s)
    assert pc.prolog().packs[0].pack_loc == f"origin:8080/download/~{token_of(pc, 1)}"
    assert before == f"origin:8080/download/~{token_of(pc)}"


def test_a_package_is_served_from_elsewhere_as_given(pc: TestOrigin) -> None:
    pc.package("17", active=False)
    pc.act(packages.activate, "17", "info.example:8443/a", "mirror.example/b", pc.now_s)
    pc.assign("17")
    (pack,) = pc.prolog().packs
    assert (pack.info_loc, pack.pack_loc) == ("info.example:8443/a", "mirror.example/b")


@pytest.mark.parametrize(
    ("via", "fragments"), [(Via.ORIGIN, "origin:8080"), (Via.STEER, "origin:8080"), (Via.DIRECT, "a:8080")]
)
def test_where_a_package_comes_from_that_a_mirror_has(pc: TestOrigin, via: Via, fragments: str) -> None:
    pc.package("17")
    pc.package("18")
    pc.assign("17")
    pc.assign("18")
    report(pc, add_mirror(pc, "a"), have=[["17", 1]])
    pc.load_directory(via)
    path = f"/download/~{token_of(pc)}"
    packs = {pack.id: pack for pack in pc.prolog().packs}
    assert (packs["17"].info_loc, packs["17"].pack_loc) == (f"origin:8443{path}", f"{fragments}{path}")
    assert packs["18"].pack_loc == f"origin:8080{path}"  # no mirror has it
    assert packs["17"].mirrors == ()  # a stock agent knows nothing of them


@pytest.mark.parametrize(("via", "named"), [(Via.ORIGIN, 0), (Via.STEER, MAX_MIRRORS), (Via.DIRECT, MAX_MIRRORS)])
def test_distds_own_agent_gets_all_mirrors_the_best_first(pc: TestOrigin, via: Via, named: int) -> None:
    pc.package("17")
    pc.assign("17")
    for number in range(MAX_MIRRORS + 1):
        report(pc, add_mirror(pc, f"m{number}"), have=[["17", 1]], status={"agents": 100 - number})
    pc.load_directory(via)
    pc.user_agent = "distd-agent/1"
    (pack,) = pc.prolog().packs
    path = f"/download/~{token_of(pc)}"
    assert list(pack.mirrors) == [f"m{MAX_MIRRORS - number}:8080{path}" for number in range(named)]


@pytest.mark.parametrize(
    ("server", "without", "with_one"),
    [
        ("$IP$:81/x", "origin", "10.0.0.5:81/x"),
        ("$NAME$.example/x", "origin", "a.example/x"),
        ("other.example/x", "other.example/x", "other.example/x"),
    ],
)
def test_variables_of_a_location_are_those_of_the_mirror(
    pc: TestOrigin, server: str, without: str, with_one: str
) -> None:
    pc.package("17", active=False)
    pc.act(packages.activate, "17", "info.example/x", server, pc.now_s)
    pc.assign("17")
    (pack,) = pc.prolog().packs
    assert pack.pack_loc.startswith(without)
    report(pc, add_mirror(pc, "a", address="10.0.0.5"), have=[["17", 1]])
    pc.load_directory(Via.DIRECT)
    (pack,) = pc.prolog().packs
    assert pack.pack_loc == with_one


def test_the_subnets_of_an_inventory_choose_the_mirror(pc: TestOrigin) -> None:
    """Each once, those of interfaces that are up, as far as they fit."""
    texts = ("10.1.0.0", " 10.2.0.0 ", "", "10.1.0.0", "10.3.0.0 x")
    pc.post(InventoryRequest("pc", {}, {}, tuple({"IPSUBNET": text} for text in texts), None))
    (facts,) = pc.read(directory.load_computers, [1]).values()
    assert facts.fields[Field.IPSUBNET] == ("10.1.0.0", "10.2.0.0")
    many = tuple({"IPSUBNET": f"10.0.{number}.0"} for number in range(100))
    pc.post(InventoryRequest("pc", {}, {}, many, None))
    (facts,) = pc.read(directory.load_computers, [1]).values()
    subnets = facts.fields[Field.IPSUBNET]
    assert subnets == tuple(f"10.0.{number}.0" for number in range(len(subnets)))
    assert NAME_LIMIT - len(" 10.0.25.0") < len(" ".join(subnets)) <= NAME_LIMIT


def test_subnets_that_just_fit_are_kept(pc: TestOrigin) -> None:
    text = "x" * (NAME_LIMIT - 2)
    pc.post(InventoryRequest("pc", {}, {}, ({"IPSUBNET": text}, {"IPSUBNET": "y"}), None))
    (facts,) = pc.read(directory.load_computers, [1]).values()
    assert facts.fields[Field.IPSUBNET] == (text, "y")


def test_from_assignment_to_result(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    assert pc.code("17") is None
    assert pc.listed() == ["17"]
    assert pc.code("17") == "NOTIFIED"
    assert pc.listed() == ["17"]
    pc.report("17", "SUCCESS")
    assert pc.listed() == []
    assert pc.code("17") == "SUCCESS"
    assert pc.read(computers.show, "pc").history == ["17"]
    assert kinds(pc, Kind.ASSIGNED, Kind.NOTIFIED, Kind.RESULT) == [
        ("ASSIGNED", "17", None),
        ("NOTIFIED", "17", None),
        ("RESULT", "17", "SUCCESS"),
    ]


def test_from_assignment_to_result_in_one_batch(pc: TestOrigin) -> None:
    """Posts of one computer are answered in their order, each against what those before it changed."""
    pc.package("17")
    pc.assign("17")
    replies = pc.post_all(
        PrologRequest("pc"),
        InventoryRequest("pc", {"NAME": "PC"}, {}, (), frozenset()),
        DownloadRequest("pc", "17", "SUCCESS_0"),
        PrologRequest("pc"),
        PrologRequest("other"),
        PrologRequest("other"),
    )
    bodies = [reply.body for reply in replies]
    assert [pack.id for pack in ocs.read_prolog_reply(bodies[0]).packs] == ["17"]
    assert bodies[2] == b""
    assert [ocs.read_prolog_reply(body).packs for body in bodies[3:]] == [(), (), ()]
    assert pc.code("17") == "SUCCESS_0"
    assert pc.read(computers.show, "pc").history == ["17"]
    assert len(pc.read(computers.list_computers, ALL_COMPUTERS, EVERYTHING).items) == 2


def test_what_an_inventory_says_counts_for_what_follows_in_its_batch(origin: TestOrigin) -> None:
    """Its history, its tag, and that there is one."""
    origin.values |= {"agents.inventory_freq_days": -1, "agents.trust_history": True}
    origin.prolog()
    for package_id in ("17", "18", "19"):
        origin.package(package_id)
        origin.assign(package_id)
    replies = origin.post_all(
        PrologRequest("pc"),
        InventoryRequest("pc", {}, {"TAG": "R1"}, (), frozenset({"18"})),
        InventoryRequest("pc", {}, {}, (), None),
        PrologRequest("pc"),
    )
    first, _, account, second = (reply.body for reply in replies)
    assert [pack.id for pack in ocs.read_prolog_reply(first).packs] == ["17"]
    assert ocs.read_inventory_reply(account) == {"TAG": "R1"}
    assert origin.code("18") == "SUCCESS_ALREADY_IN_HISTORY"
    origin.report("17", "SUCCESS")
    assert origin.listed() == ["19"]
    assert not ocs.read_prolog_reply(second).send_inventory


def test_what_is_not_active_is_not_listed(pc: TestOrigin) -> None:
    pc.package("18")
    pc.assign("18")
    pc.act(packages.deactivate, "18", pc.now_s)
    assert pc.listed() == []
    pc.act(packages.activate, "18", None, None, pc.now_s)
    assert pc.listed() == ["18"]


def test_an_agent_that_does_not_say_its_name_has_that_of_before(pc: TestOrigin) -> None:
    """Trap 15 depends on it."""
    pc.package("17")
    pc.assign("17")
    pc.user_agent = WINDOWS
    pc.prolog()
    pc.user_agent = ""
    pc.values["download.on"] = False
    assert not pc.prolog().config.on  # a Unix agent with a package would not be told so
    (row,) = pc.rows(schema.computers)
    assert row["user_agent"] == WINDOWS


def test_packages_of_others_are_not_listed(pc: TestOrigin) -> None:
    pc.prolog("other")
    pc.inventory(device_id="other")
    pc.package("17")
    pc.package("18")
    pc.assign("17")
    pc.assign("18", "other")
    assert pc.listed() == ["17"]
    assert pc.listed("other") == ["18"]


# --- the traps of distd/docs/protocol.md, section 4; the rules themselves are in test_listing.py


def test_trap_2_a_package_in_the_history_gets_its_result_without_the_agent(pc: TestOrigin) -> None:
    pc.values["agents.trust_history"] = True
    pc.inventory("17")
    for package_id in ("17", "18"):
        pc.package(package_id)  # as imported: it has no plan
        pc.assign(package_id)
    assert pc.listed() == ["18"]
    assert pc.code("17") == "SUCCESS_ALREADY_IN_HISTORY"
    assert kinds(pc, Kind.RESULT) == [("RESULT", "17", "SUCCESS_ALREADY_IN_HISTORY")]


def test_trap_2_a_package_that_only_the_history_has_is_not_listed_and_no_success(pc: TestOrigin) -> None:
    """An inventory in the name of another computer made all packages on it a success before."""
    pc.inventory("17")
    for package_id in ("17", "18"):
        pc.package(package_id)
        pc.assign(package_id)
    assert pc.listed() == ["18"]
    assert pc.listed() == ["18"]
    (result,) = pc.results("17")
    assert (result.state, result.unproven, result.code) == ("WAITING", True, None)
    assert kinds(pc, Kind.UNPROVEN) == [("UNPROVEN", "17", None)]  # once
    pc.inventory()  # it was not so after all
    pc.report("18", "SUCCESS")
    assert pc.listed() == ["17"]
    (result,) = pc.results("17")
    assert (result.state, result.unproven) == ("NOTIFIED", False)


def test_a_history_is_trusted_in_the_first_inventory(origin: TestOrigin) -> None:
    """Of a site that comes from OCS."""
    origin.values["agents.trust_history"] = True
    origin.prolog()
    origin.inventory("17")
    origin.inventory("17", "18")
    for package_id in ("17", "18"):
        origin.package(package_id, plan="0 fragments")
        origin.assign(package_id)
    assert origin.listed() == []
    assert (origin.code("17"), origin.code("18")) == ("SUCCESS_ALREADY_IN_HISTORY", None)
    origin.values["agents.trust_history"] = False
    origin.assign("17")
    assert origin.listed() == []
    assert origin.code("17") == "SUCCESS_ALREADY_IN_HISTORY"


def test_trap_2_forced_it_is_listed(pc: TestOrigin) -> None:
    pc.inventory("17")
    pc.package("17")
    pc.assign("17", force=True)
    assert pc.listed() == ["17"]


def test_trap_2_results_add_to_the_history(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.fetch("17")
    pc.report("17", "SUCCESS_3")
    pc.assign("17")
    assert pc.listed() == []
    assert pc.code("17") == "SUCCESS_ALREADY_IN_HISTORY"


def test_trap_2_also_from_a_late_result_in_the_same_batch(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    _, reply = pc.post_all(DownloadRequest("pc", "17", "SUCCESS_"), PrologRequest("pc"))
    assert ocs.read_prolog_reply(reply.body).packs == ()
    assert [result.unproven for result in pc.results("17")] == [True]


def test_trap_2_a_failure_adds_nothing_to_the_history(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.report("17", "ERR_BAD_DIGEST")
    pc.assign("17")
    assert pc.listed() == ["17"]


def test_trap_2_a_windows_agent_keeps_only_plain_successes(pc: TestOrigin) -> None:
    pc.user_agent = WINDOWS
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.report("17", "SUCCESS_REBOOT_REQUIRED")
    pc.assign("17")
    assert pc.listed() == ["17"]


def test_trap_2_one_at_a_time_until_the_history_is_known(origin: TestOrigin) -> None:
    origin.prolog()
    for package_id, priority in (("17", 7), ("18", 3)):
        origin.package(package_id, priority=priority)
        origin.assign(package_id)
    assert origin.listed() == ["18"]
    origin.inventory("17")
    origin.report("18", "SUCCESS")
    assert origin.listed() == []
    assert [result.unproven for result in origin.results("17")] == [True]


def test_trap_3_withdrawn_or_deactivated_it_is_listed_until_its_final_status(pc: TestOrigin) -> None:
    pc.package("17", active=False)
    pc.act(packages.activate, "17", "info.example/a", "mirror.example/b", pc.now_s)
    pc.assign("17")
    before = pc.prolog().packs
    pc.unassign("17")
    pc.act(packages.deactivate, "17", pc.now_s)
    pc.values["download.on"] = False
    assert pc.prolog().packs == before
    pc.report("17", "ERR_TIMEOUT")
    assert pc.listed() == []


IGNORED = {
    "an unknown computer": (DownloadRequest("nobody", "17", "SUCCESS"), "unknown computer"),
    "an unknown package": (DownloadRequest("pc", "99", "SUCCESS"), "no open assignment"),
    "one that was not listed": (
        DownloadRequest("pc", "17", "SUCCESS_"),
        "the agent has not been notified of the assignment",
    ),
}


@pytest.mark.parametrize(("request_", "why"), IGNORED.values(), ids=IGNORED)
def test_trap_8_every_report_is_accepted_and_none_is_lost(pc: TestOrigin, request_: Any, why: Any) -> None:
    pc.package("17")
    pc.assign("17")
    assert pc.post(request_) == b""
    (event,) = pc.events(Kind.RESULT)
    assert (event.package_id, event.detail["code"], event.detail["ignored"]) == (
        request_.package_id,
        request_.code,
        why,
    )
    unknown = why == "unknown computer"
    assert (event.computer_id, event.detail.get("device_id")) == ((None, "nobody") if unknown else (1, None))
    assert pc.code("17") is None
    assert [computer.device_id for computer in pc.read(computers.list_computers, ALL_COMPUTERS, EVERYTHING).items] == [
        "pc"
    ]


def test_trap_8_the_first_final_result_counts(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    for code in ("NOTIFIED", "SUCCESS_0", "SUCCESS_0", "SUCCESS_"):
        pc.report("17", code)
    assert pc.results("17")[0].later_code is None
    pc.now_s += 60
    pc.report("17", "ERR_CLEAN")
    (result,) = pc.results("17")
    assert (result.code, result.later_code, result.later_at_s) == ("SUCCESS_0", "ERR_CLEAN", pc.now_s)
    assert result.shown_state == "SUCCESS, unproven, contradicted"
    assert [(event.detail["code"], event.detail.get("ignored")) for event in pc.events(Kind.RESULT)] == [
        ("NOTIFIED", "not final"),
        ("SUCCESS_0", None),
        ("SUCCESS_0", "it has this result already"),
        ("SUCCESS_", "it has the result SUCCESS_0"),
        ("ERR_CLEAN", "it has the result SUCCESS_0"),
    ]


def test_reports_of_one_batch_are_compared_with_each_other(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.post_all(*(DownloadRequest("pc", "17", code) for code in ("ERR_BUILD", "ERR_BUILD", "SUCCESS")))
    (result,) = pc.results("17")
    assert (result.code, result.later_code) == ("ERR_BUILD", "SUCCESS")


def test_trap_8_an_endless_code_is_kept_as_far_as_it_fits(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.report("17", "ERR_" + "X" * 400)
    assert pc.code("17") == "ERR_" + "X" * 251


def test_trap_9_priority_0_is_listed_alone(pc: TestOrigin) -> None:
    for package_id, priority in (("17", 5), ("18", 0)):
        pc.package(package_id, priority=priority)
        pc.assign(package_id)
    assert pc.listed() == ["18"]
    pc.report("18", "SUCCESS")
    assert pc.listed() == ["17"]


def test_trap_14_a_new_package_waits_for_the_unix_agents_child(pc: TestOrigin) -> None:
    for package_id in ("17", "18"):
        pc.package(package_id)
    pc.assign("17")
    assert pc.listed() == ["17"]
    pc.assign("18")
    assert pc.listed() == ["17"]
    pc.report("17", "SUCCESS")
    assert pc.listed() == ["18"]


@pytest.mark.parametrize(("user_agent", "on"), [("", True), ("OCS-NG_WINDOWS_AGENT_v2.9.2.0", False)])
def test_trap_15_a_busy_unix_agent_does_not_get_on_0(pc: TestOrigin, user_agent: Any, on: Any) -> None:
    pc.user_agent = user_agent or pc.user_agent
    pc.package("17")
    pc.assign("17")
    assert pc.listed() == ["17"]
    pc.values["download.on"] = False
    pc.package("18")
    pc.assign("18")
    reply = pc.prolog()
    assert (reply.config.on, [pack.id for pack in reply.packs]) == (on, ["17"])
    pc.report("17", "SUCCESS")
    reply = pc.prolog()
    assert (reply.config.on, reply.packs) == (False, ())


# --- reading, and the batcher around it all


BAD = {
    "no zlib": (b"\x00\x01\x02", BadInput),
    "no XML": (zlib.compress(b"hello"), BadInput),
    "a bomb": (zlib.compress(b"<REQUEST>" + b" " * 2_000_000 + b"</REQUEST>"), TooLarge),
}


@pytest.mark.parametrize(("body", "error"), BAD.values(), ids=BAD)
def test_a_bad_body_is_refused_before_the_catalogue(body: Any, error: Any) -> None:
    with pytest.raises(error):
        requests.read(requests.Post(body, "", "", 0), requests.ReadLimits.of_settings(Settings()))


async def test_the_batch_handler_under_the_batcher(origin: TestOrigin) -> None:
    replies: dict[str, Any] = {}

    def handle(conn: Any, requests: Any) -> Any:
        return posts.answer(conn, requests, origin.context)

    def read(post: Any) -> Any:
        return requests.read(post, origin.read_limits)

    bodies = {f"pc{n}": ocs.write_request(PrologRequest(f"pc{n}")) for n in range(100)} | {"bad": b"?"}
    async with open_batcher(origin.catalogue, handle, read, limits=BatchLimits(200)) as batcher:
        for name, body in bodies.items():
            batcher.put(requests.Post(body, "10.0.0.1", "", 5.0), partial(replies.__setitem__, name))
    assert isinstance(replies.pop("bad"), BadInput)
    assert {reply.status for reply in replies.values()} == {200}
    assert len(replies) == len(origin.rows(schema.computers)) == 100
