"""Every command does over the API what it does on the data directory: the same lines, the same exit status.

Two copies of a data directory, one of them served; each command is run on both, in the same order.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
import pytest
import requests

from distd.cli.main import cli, run
from tests.programs import commands
from tests.programs.processes import listening, plain_environment, serve_command
from tests.programs.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PC = "pc-2026-01-01-00-00-00"
OTHER = "pc-2026-01-02-00-00-00"


@dataclass
class Sites:
    """A data directory, and a server of its copy; `names` stand for what both made: {package} is the id of one."""

    folder: Path
    local: tuple[str, ...]
    remote: tuple[str, ...]
    names: dict[str, tuple[str, str]] = field(default_factory=dict)

    def both(self, *words: object) -> tuple[commands.Done, commands.Done]:
        """How a command ends here and there."""
        found = []
        for which, place in enumerate((self.local, self.remote)):
            filled = [str(word).format(**{name: both[which] for name, both in self.names.items()}) for word in words]
            found.append(commands.invoke(run, *filled, *place))
        return found[0], found[1]

    def plain(self, which: int, text: str) -> str:
        """Without what differs: ids, the option that names the site, times, secrets, digests, who it was."""
        text = re.sub(r'"(\w+_at_s|at_s|until_s|seq)": [\d.]+', r'"\1": 0', text)
        text = re.sub(r'"(owner|address)": "[\w.]*"|"(seen_at_s)": (0|null)', r'"\1\2": …', text)
        for name, both in sorted(self.names.items()):
            text = text.replace(both[which], f"{{{name}}}")
        for place in (self.local, self.remote):
            text = text.replace(" ".join(place[:2]), "SITE")
        for pattern, word in (
            (r"https://localhost:\d+", "SERVER"),  # the files do not know at which port it is served
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
            (r"(cli|operator):\w+", "ACTOR"),
            (r"distd_[\w-]+", "TOKEN"),
            (r"\b[0-9a-f]{16,}(\.[0-9a-f]{16,})?\b", "HEX"),
            (r"1[789]\d{8}(\.\d+)?", "NUMBER"),
        ):
            text = re.sub(pattern, word, text)
        return re.sub(r" +", " ", text)


def contact(address: str, device_id: str) -> None:
    """A computer's agent asks what there is to do."""
    text = f"<REQUEST><DEVICEID>{device_id}</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>"
    answer = requests.post(f"http://{address}/ocsinventory", zlib.compress(text.encode()), timeout=LIMIT_S)
    assert answer.status_code == 200


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("both")
    served, here = folder / "served", folder / "here"
    password = commands.distd(served, "init", "--host", "localhost")["password"]
    (folder / "hello.sh").write_text("#!/bin/sh\necho hello\n")
    (folder / "noise").write_bytes(secrets.token_bytes(50_000))
    command = serve_command(served, {}, "127.0.0.1:0", "127.0.0.1:0")
    environment = plain_environment()
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        try:
            assert server.stdout is not None
            http, https = listening(server.stdout.readline())
            for device_id in (PC, OTHER):
                contact(http, device_id)
            shutil.copytree(served, here, symlinks=True)
            patch.setenv("DISTD_PASSWORD", password)
            url = f"https://localhost:{https.rpartition(':')[2]}"
            remote = ("--server", url, "--operator", "admin", "--ca", str(served / "cacert.pem"))
            yield Sites(folder, ("--data", str(here)), remote)
        finally:
            server.terminate()
            server.wait(LIMIT_S)
    assert "Traceback" not in (folder / "log").read_text()


def same(sites: Sites, *words: object, status: int = 0) -> commands.Done:
    """Run it both ways, and compare; how it has ended here."""
    here, there = sites.both(*words)
    assert (here.exit_code, there.exit_code) == (status, status), (here, there)
    assert sites.plain(1, there.stdout) == sites.plain(0, here.stdout)
    assert sites.plain(1, there.stderr) == sites.plain(0, here.stderr)
    return here


def make(sites: Sites, name: str, *words: object) -> None:
    """A package that both make, with the same lines but for its id."""
    here, there = sites.both(*words, "--json")
    assert (here.exit_code, there.exit_code) == (0, 0), (here, there)
    found = [json.loads(done.stdout) for done in (here, there)]
    sites.names[name] = (found[0]["id"], found[1]["id"])
    assert sites.plain(1, there.stderr) == sites.plain(0, here.stderr)
    differing = {"id", "created_at_s", "superseded_by"}
    first, second = ({key: one[key] for key in one.keys() - differing} for one in found)
    assert second == first


def test_packages_are_made(sites: Sites) -> None:
    order = ("package", "build", sites.folder / "hello.sh", "--name", "Hello", "--os", "LINUX", "--action", "LAUNCH")
    make(sites, "package", *order, "--launch", "hello.sh", "--priority", 0, "--description", "for all")
    make(sites, "second", *order, "--launch", "hello.sh")
    command = ("--os", "WINDOWS", "--action", "EXECUTE", "--command", "cmd /c ver", "--notify-text", "Save your work")
    make(sites, "command", "package", "build", "--name", "Command", *command)
    folder = sites.folder / "files"
    folder.mkdir()
    shutil.copy(sites.folder / "noise", folder)
    store = ("--os", "LINUX", "--action", "STORE", "--path", "/opt/x", "--fragments", 3)
    make(sites, "store", "package", "build", sites.folder / "noise", "--name", "Noise", *store)
    make(sites, "folder", "package", "build", folder, "--name", "Folder", *store)
    make(sites, "newer", "package", "supersede", "{second}", sites.folder / "hello.sh", "--name", "Hello 2")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("package", "build", "{folder}/hello.sh", "--name", "x", "--os", "LINUX", "--action", "LAUNCH"), 2),
        (("package", "build", "{folder}/none", "--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/x"), 2),
        (("package", "build", "--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/x"), 2),
    ],
)
def test_what_cannot_be_made(sites: Sites, words: tuple[str, ...], status: int) -> None:
    filled = [word.replace("{folder}", str(sites.folder)) for word in words]
    here, there = sites.both(*filled)
    assert (here.exit_code, there.exit_code) == (status, status), (here, there)
    assert there.stderr.split(":")[0] == here.stderr.split(":")[0]


COMMANDS: list[tuple[int, str]] = [
    (0, "package list --name Hello*"),
    (0, "package list --json --name Command"),
    (0, "package list --csv --name Nothing"),
    (0, "package list --deleted"),
    (0, "package list --limit 2"),
    (0, "package show {package}"),
    (0, "package show {command} --json"),
    (2, "package show 17"),
    (0, "package edit {package} --priority 3 --name Hullo --done-text Done"),
    (0, "package edit {package} --priority 3"),
    (2, "package edit {package}"),
    (2, "package edit {package} --path /x"),
    (2, "package edit 17 --priority 3"),
    (0, "package verify {store}"),
    (0, "package verify"),
    (2, "package verify 17"),
    (0, "package activate {package}"),
    (0, "package activate {store} --at 2h --json"),
    (2, "package activate {store} --latest 2h"),
    (2, "package activate {store} --when-ready 50"),
    (2, "package activate {store} --info-server a/b"),
    (0, "package activate {store} --info-server a/b --fragment-server c/d"),
    (1, "package deactivate {command}"),
    (0, "package deactivate {store}"),
    (2, "assign {package}"),
    (0, f"assign {{package}} --computer {PC} --dry-run"),
    (0, f"assign {{package}} --computer {PC}"),
    (1, f"assign {{package}} --computer {PC}"),
    (1, f"assign {{store}} --computer {PC}"),
    (2, "assign {package} --computer nobody"),
    (2, f"assign {{package}} --computer {OTHER} --schedule never"),
    (0, "assign {package} --computers {file} --json"),
    (0, "results {package}"),
    (0, "results {package} --attempts --json"),
    (0, "statistics {package}"),
    (0, "statistics {package} --csv"),
    (2, "statistics 17"),
    (2, "archive {package}"),
    (0, "archive {package} --state SUCCESS --dry-run --json"),
    (2, "renotify {package} --state WAITING"),
    (0, "renotify {package} --state FAILED"),
    (0, "cancel {package} --state DOWNLOADING"),
    (0, "results {package} --state WAITING --csv"),
    (0, "results {package} --state FAILED"),
    (2, "results 17"),
    (1, f"accept {{package}} --computer {PC}"),
    (0, "accept {package} --all"),
    (1, "package delete {package}"),
    (0, f"unassign {{package}} --computer {OTHER}"),
    (2, f"unassign {{package}} --computer {OTHER}"),
    (0, "unassign {package} --state WAITING --dry-run"),
    (0, "unassign {package} --state WAITING --json"),
    (0, "unassign {package} --state WAITING"),
    (0, "package withdraw {store}"),
    (1, "package withdraw {store}"),
    (0, "package delete {folder}"),
    (0, "package delete {store}"),
    (0, "package list --deleted --json"),
    (0, "computer list"),
    (0, "computer list --json --name *-01-01-*"),
    (0, f"computer show {PC}"),
    (0, f"computer show {PC} --json"),
    (2, "computer show nobody"),
    (0, f"computer set {PC} networks=10.0.0.0/8,10.1.0.0/16"),
    (2, f"computer set {PC} networks=x"),
    (2, f"computer set {PC} colour=red"),
    (2, f"computer set {PC} changed=yes"),
    (0, f"computer set {PC} account.ROOM=17 tag=here"),
    (0, "computer list tag=here --columns device_id,tag"),
    (0, "computer list tag=here"),
    (2, "computer list colour=red"),
    (2, "computer list --sort colour"),
    (0, f"computer software {PC}"),
    (2, "computer software nobody"),
    (0, "computer duplicates"),
    (2, f"computer merge {PC} nobody"),
    (1, f"computer merge {PC} {PC}"),
    (0, "computer admit --all"),
    (2, "computer admit"),
    (0, f"computer revoke {PC} --json"),
    (2, "computer revoke nobody"),
    (0, "mirror add paris --url http://mirror:8080 --network 10.1.0.0/16"),
    (2, "mirror add paris --url mirror"),
    (0, "mirror list"),
    (0, "mirror show paris"),
    (2, "mirror show rome"),
    (0, "mirror rules"),
    (0, "mirror rules IPSUBNET-EQUALS-IPSUBNET"),
    (0, "mirror rules --json"),
    (0, "mirror rules --clear"),
    (0, f"mirror explain {PC} {{package}}"),
    (0, "mirror revoke paris"),
    (1, "mirror revoke paris"),
    (0, "operator list --json"),
    (0, "operator add alice --role viewer --filter tag=here"),
    (0, "operator set alice --role operator"),
    (0, "operator set alice --filter tag=there --json"),
    (2, "operator set alice"),
    (0, "operator set alice --filter NOT(os~windows*)"),
    (2, "operator set alice --filter colour=x"),
    (2, "operator set nobody --role viewer"),
    (1, "operator set admin --role viewer"),
    (1, "operator add alice"),
    (0, "operator password alice --json"),
    (0, "operator delete alice"),
    (2, "operator delete alice"),
    (1, "operator delete admin"),
    (0, "token create backup --act packages.read --days 30"),
    (1, "token create backup"),
    (2, "token create other --act packages.write"),
    (2, "token create other --filter colour=x"),
    (0, "token list --json"),
    (0, "token revoke backup"),
    (2, "token revoke backup"),
    (0, "parameters set download.frag_latency_s=30 --dry-run"),
    (0, "parameters set download.frag_latency_s=30"),
    (2, "parameters set download.frag_latency_s=-1"),
    (2, "parameters set download.colour=1"),
    (0, f"computer set {PC} download.frag_latency_s=3 --dry-run --json"),
    (0, f"computer set {PC} download.frag_latency_s=3 download.on=off"),
    (0, f"computer set {PC} download.frag_latency_s="),
    (2, "computer set nobody download.frag_latency_s=3"),
    (2, "group set nobody download.frag_latency_s=3"),
    (0, f"group create Lab --computer {PC} --description Mine"),
    (1, "group create lab"),
    (2, "group create x --filter memory"),
    (0, "group create Linux --filter group(Lab) --dry-run"),
    (0, "group list"),
    (0, "group list --json --name la"),
    (0, "group show lab"),
    (0, "group show Lab --json"),
    (2, "group show nobody"),
    (0, f"group remove Lab --computer {PC} --dry-run"),
    (0, f"group remove Lab --computer {PC}"),
    (0, f"group add Lab --computer {PC} --json"),
    (2, f"group reset Lab --computer {PC}"),
    (2, "group add Lab --computer nobody"),
    (0, "group set Lab download.frag_latency_s=4"),
    (0, "group edit Lab --name Class --description Ours"),
    (1, "group edit Class --filter windows"),
    (2, "group edit Class"),
    (0, "group delete Class"),
    (2, "group delete Class --json"),
    (0, "parameters show"),
    (0, "login set school --json"),
    (0, "login list"),
    (0, "login delete school"),
    (2, "login delete school"),
    (0, "keys list"),
    (0, f"why {PC} {{package}}"),
    (0, f"why {PC} --lang fr"),
    (0, f"why {PC} {{second}} --json"),
    (0, "why nobody"),
    (0, "why --package {package} --lang fr"),
    (0, "why --package {second} --json"),
    (2, "why --package 17"),
    (2, "why"),
    (0, "filter list"),
    (0, "filter save old os~windows* --shared --description all"),
    (0, "filter save here tag=here --json"),
    (2, "filter save a/b x"),
    (2, "filter save a colour=red"),
    (0, "filter list --json"),
    (0, "filter show OLD"),
    (2, "filter show nobody"),
    (0, "computer list @old"),
    (0, "filter delete old"),
    (2, "filter delete old"),
    (0, "package recount"),
    (0, "package recount --json"),
    (0, "rollout list"),
    (0, f"rollout create pilot {{package}} --wave 1 --wave pilot:_filter_device_id~{PC[:4]}*;by_hand --dry-run"),
    (0, "rollout create pilot {package} --wave 1 --wave rest --approval --windows mon-fri_18-6 --rate 5MB/s --json"),
    (1, "rollout create Pilot {package}"),
    (2, "rollout create 17 {package}"),
    (2, "rollout create a {package} --filter colour=red"),
    (2, "rollout create a {package} --wave filter_colour=red"),
    (2, "rollout create a {package} --filter x --tag y"),
    (2, "rollout create a {package} --group nobody"),
    (2, "rollout create a {package} --windows never"),
    (2, "rollout create a {package} --start-at never"),
    (2, "rollout create a {package} --roll-back-to 17"),
    (2, "rollout create a 17"),
    (0, "rollout create all {package} --any-os --force --retries 2 --at-once 10 --halt-errors 5"),
    (0, "rollout show ALL"),
    (0, "rollout edit all --halt-errors 10 --at-once 0 --windows mon-fri_18-6 --rate 5MB/s"),
    (0, "rollout edit all --halt-errors 0 --roll-back-to {second} --dynamic --json"),
    (0, "rollout edit all --windows= --start-at= --rate= --roll-back-to= --not-dynamic --retries 0 --json"),
    (2, "rollout edit all"),
    (2, "rollout edit all --windows never"),
    (2, "rollout edit all --roll-back-to 17"),
    (2, "rollout edit nobody --retries 1"),
    (2, "rollout show nobody"),
    (0, "rollout start all"),
    (1, "rollout delete all"),
    (0, "rollout pause all --json"),
    (1, "rollout pause all"),
    (0, "rollout resume all"),
    (1, "rollout open all"),
    (1, "rollout approve all"),
    (1, "rollout rollback all"),
    (0, "rollout stop all"),
    (1, "rollout start all"),
    (0, "rollout start pilot"),
    (1, "rollout approve pilot"),
    (0, "rollout stop pilot"),
    (1, "rollout edit pilot --retries 1"),
    (0, "rollout list --limit 1"),
    (0, "rollout list --csv"),
    (0, "rollout delete pilot"),
    (2, "rollout delete pilot"),
    (0, "plan {package}"),
    (2, "plan {package} --by never"),
    (0, "set create Tools {package} {second} --description Ours"),
    (1, "set create tools {package}"),
    (2, "set create Other 17"),
    (0, "set list --json"),
    (0, "set show TOOLS"),
    (2, "set show nobody"),
    (0, "set edit Tools --chain --json"),
    (2, "set edit Tools"),
    (0, "set delete tools"),
    (2, "set delete tools"),
    (0, f"recurrence create {{package}} --every-days 30 --filter device_id~{PC[:4]}* --dry-run"),
    (2, "recurrence create {package} --every-days 30 --filter colour=red"),
    (0, "recurrence create {package} --every-days 30"),
    (0, "recurrence edit 1 --every-days 14 --having"),
    (2, "recurrence edit 1"),
    (0, "recurrence list"),
    (2, "recurrence delete 17"),
    (0, "recurrence delete 1"),
    (0, "source list"),
    (2, "source show nobody"),
    (2, "source edit nobody --every 1d"),
    (2, "source check nobody"),
    (2, "source delete nobody"),
    (2, "source watch office {package} http://example.org/office.exe"),
    (0, "notice list --json"),
    (1, "notice test"),
    (2, "rollout plan nobody"),
    (0, "events --kind ASSIGNED --json"),
    (0, "events --kind UNASSIGNED"),
    (2, "events --kind NOTHING"),
    (0, "events --audit --kind PACKAGE_EDITED --json"),
    (0, f"computer delete {OTHER}"),
    (2, f"computer delete {OTHER}"),
]


def test_commands_end_the_same_way(sites: Sites) -> None:
    if "package" not in sites.names:
        test_packages_are_made(sites)
    file = sites.folder / "computers"
    file.write_text(f"{PC}\n{OTHER}\n")
    sites.names["file"] = (str(file), str(file))
    differing = []
    for status, line in COMMANDS:
        words = [word.replace("-EQUALS-", " EQUALS ") for word in line.split()]
        if words[0] == "rollout":
            words = [word.replace("_", " ").replace("device id", "device_id") for word in words]
        here, there = sites.both(*words)
        texts = [sites.plain(which, done.stdout + done.stderr) for which, done in enumerate((here, there))]
        if "password" in texts[0] and status == 0:
            texts = ["", ""]  # each has another
        if (here.exit_code, there.exit_code) != (status, status) or texts[0] != texts[1]:
            differing.append((line, here.exit_code, there.exit_code, *texts))
    assert differing == []


def test_a_token_is_enough_for_what_it_may(sites: Sites) -> None:
    made = commands.invoke(run, "token", "create", "looker", "--act", "computers.read", "--json", *sites.remote)
    server = (*sites.remote[:2], *sites.remote[4:])
    by_token = (*server, "--token", json.loads(made.stdout)["secret"])
    assert PC in commands.invoke(run, "computer", "list", *by_token).stdout
    refused = commands.invoke(run, "package", "list", *by_token)
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "a token whose acts include packages.read" in refused.stderr
    commands.invoke(run, "token", "revoke", "looker", *sites.remote)
    unknown = commands.invoke(run, "computer", "list", *by_token)
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)
    assert unknown.stderr.startswith("distd: --token: expected a token or a password that the server knows")


def test_what_the_table_leaves_out(sites: Sites) -> None:
    """Every command that takes --server is in the table, or made the packages."""
    known = {" ".join(line.split()[:2]) for _, line in COMMANDS} | {line.split()[0] for _, line in COMMANDS}
    known |= {"package build", "package supersede"}
    help_of: dict[str, Any] = {}
    for path in commands_with_server():
        help_of[path] = path in known
    assert [path for path, is_known in help_of.items() if not is_known] == []


def commands_with_server() -> Iterator[str]:
    def walk(command: click.Command, path: str) -> Iterator[str]:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                yield from walk(child, f"{path} {name}".strip())
        elif any(param.name == "server" and not getattr(param, "hidden", False) for param in command.params):
            yield path

    return walk(cli, "")
