"""What the console's help says: for each screen a title, what it is for, the steps, and what else is good to know.

In the texts `…` is what somebody types or reads on the screen. The French ones are in `locale/fr.po`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class HelpTopic:
    """The help of a screen, in English; `path`: the screen."""

    title: str
    path: str
    lead: str
    steps: tuple[str, ...]
    notes: tuple[str, ...] = ()


TOPICS: Final = {
    "overview": HelpTopic(
        "Overview",
        "/",
        "What runs, and what needs you. The page renews itself.",
        (
            "Build a package: `Packages`, `Create a package`.",
            "Activate it, so that agents may be told of it.",
            "Search computers, choose some, and assign it to them.",
            "At its next contact each agent is told, downloads, acts, and says how it went.",
            "Look at the statistics of the package, and validate what is done.",
        ),
        (
            "`Needs attention` lists what does not go on by itself: errors, stalled computers, lost servers.",
            "Press / to search computers from everywhere.",
        ),
    ),
    "packages": HelpTopic(
        "Packages",
        "/packages",
        "All packages, with how many computers are where.",
        (
            "`Create a package` makes one of a file, a command, or a recipe.",
            "`Activate` lets agents be told of it; without that nobody gets it.",
            "A click on a number shows the computers behind it.",
            "`Statistics` shows how the deployment goes.",
        ),
        (
            "Not notified: assigned, but the agent has not come since. Notified: the agent knows of it and downloads.",
            "A package is never changed under the agents: `Supersede` puts another one in its place.",
            "`Withdraw` stops it everywhere, also where it has begun.",
        ),
    ),
    "create": HelpTopic(
        "Create a package",
        "/packages/new",
        "Two steps: what it is, then how it is cut.",
        (
            "Give it a name, the system, the protocol and the priority (0 first and alone, then 1 to 10).",
            "Choose the file: a zip for Windows, a tar.gz or a zip for Linux. Drop it on the field.",
            "Choose the action: `Store` puts files into a path, `Launch` starts one of them, `Execute` a command.",
            "In step two choose the size of the fragments, or their number: the time that an agent needs follows.",
            "Check what it says about your computers, and validate.",
        ),
        (
            "After each fragment an agent pauses: few large ones are quick, many small ones spare thin lines.",
            "A recipe fills in the command of an MSI, a setup, a script or packages of the system.",
        ),
    ),
    "activate": HelpTopic(
        "Activate a package",
        "/packages",
        "From its activation on, agents are told of a package, and where it lies.",
        (
            "`Automatic activation`: from this server and its redistribution servers. This is what you want mostly.",
            "`Manual activation`: copy the folder of the package to other servers.",
            "Give the https server for the info and the file server for the fragments; both are tested while you type.",
            "`When mirrors are ready`: it waits until so many redistribution servers have it.",
            "`At a date`: redistribution servers fetch it before.",
        ),
        ("An activation can be taken back by `Deactivate`: who has been told already goes on.",),
    ),
    "computers": HelpTopic(
        "Computers",
        "/computers",
        "All computers whose agents have come, and a search over all that is known of them.",
        (
            "Choose fields, comparisons and values in the rows; groups join them by AND, OR and NOT.",
            "Or type a word, or a filter such as `os ~ windows AND memory >= 8GiB`: it is completed; rows follow.",
            "Choose computers by their boxes, or all that the search finds.",
            "Assign a package to them: `Deploy`. Before it is done you see whom it touches, and who cannot take it.",
        ),
        (
            "Save a search that you need again, or make a group of it: then it follows by itself.",
            '`NOT software("7-Zip*")` finds those that do not have a program.',
        ),
    ),
    "computer": HelpTopic(
        "A computer",
        "/computers",
        "All that is known of it, what it is to get, and why it has not got it yet.",
        (
            "`Why` says in sentences what it waits for, and what you can do.",
            "Add a package: it is told at its next contact.",
            "Its own settings come before those of its groups, these before those of the site.",
        ),
        ("The inventory is what its agent sent last.",),
    ),
    "assign": HelpTopic(
        "Assign a package",
        "/computers",
        "The last look before computers get a package.",
        (
            "Choose the package; only active ones can be assigned.",
            "Look whom it touches, who has it already, and who cannot take it.",
            "Choose options: at what time, with force, with a command afterwards.",
            "Confirm. Agents are told at their next contacts.",
        ),
        ("Until an agent has been told you can take it back without a trace: `Unassign not notified`.",),
    ),
    "deployment": HelpTopic(
        "Statistics of a package",
        "/packages",
        "How far it is, beside what was predicted, and what is in the way.",
        (
            "The ring and its table: waiting for notification, notified, downloading, success, errors, archived.",
            "The causes say why computers do not go on, and what to do.",
            "`Validate SUCCESS` archives what went well; `Validate all` what has ended.",
            "`Unassign not notified` takes it back from those that do not know of it yet.",
            "Errors: mend the cause, then notify again.",
        ),
        ("A success is unproven where no fragment was sent to the computer.",),
    ),
    "groups": HelpTopic(
        "Groups",
        "/groups",
        "Computers that belong together, by a search or by hand. A group gives its members packages and settings.",
        (
            "Give it a name and a search: all that it finds are members, now and later.",
            "Look who would be in it before you create it.",
            "Give it packages and settings of download.",
        ),
        ("By hand you can put a computer into a dynamic group, or keep it out, whatever the search finds.",),
    ),
    "rollouts": HelpTopic(
        "Roll-outs",
        "/rollouts",
        "A package for a few computers first, and for more when those have gone well.",
        (
            "Choose an active package, and for whom it is.",
            "Write the waves, one in a line: `5`, `10%`, `group Class A`, `rest`.",
            "Say from how many percent of success the next one opens, and at how many of errors it halts.",
            "Look which waves it would have, create it, start it.",
        ),
        ("When it halts: look at the causes, then go on, or stop it for good.",),
    ),
    "mirrors": HelpTopic(
        "Redistribution servers",
        "/mirrors",
        "They copy packages from this server and serve them to the computers near them: a thin line carries them once.",
        (
            "Add one: its name, its address for agents, the networks that it serves.",
            "Run the command that you are shown on that server, within 7 days.",
            "It fetches all packages that agents may need; `Packages ready` says how far it is.",
            "Lag is what it has not taken over yet: changes, and bytes.",
        ),
        (
            "Offline: agents are directed to others, or to this server. Nothing is lost.",
            "The hit rate is low only while it does not have a package yet.",
        ),
    ),
    "rules": HelpTopic(
        "Rules of redistribution",
        "/mirror-rules",
        "Which redistribution server a computer gets: a field of the computer against a field of the server.",
        (
            "Without rules the smallest network decides, then the location, then the load.",
            "Add a rule; the first that holds decides. Drag it to its place, or use the arrows.",
            "Test it: for one computer and one package you see which server it would get, and why not the others.",
        ),
    ),
    "settings": HelpTopic(
        "Settings",
        "/settings",
        "What agents are told, and how this server works; each with where it comes from.",
        (
            "What agents are told you change here: it comes before the file. Empty: as in the file.",
            "`What would that change?` says how many computers would get another value.",
            "All else stands in the file of the server; change it there, and reload.",
        ),
        ("A group or a computer may have its own pauses: see their pages.",),
    ),
    "operators": HelpTopic(
        "Operators",
        "/operators",
        "Who may sign in, and for what.",
        (
            "Give everybody a name of their own: the journal says who did what.",
            "A viewer sees, an operator deploys, an administrator decides who may and what holds for the site.",
            "A search restricts an operator to computers: it sees and changes only these.",
        ),
        ("The last administrator with a password here cannot be deleted.",),
    ),
    "tokens": HelpTopic(
        "Tokens",
        "/tokens",
        "Programs use the API by a token, in the name of who made it.",
        (
            "Make one for each program, with the least role that it needs.",
            "Copy it at once: it is shown once.",
            "Revoke it when the program is gone, or somebody else may have seen it.",
        ),
    ),
    "account": HelpTopic(
        "Your account",
        "/account",
        "What you may, where you are signed in, and another password.",
        (
            "Type your present password, then the new one: everywhere else you are signed out.",
            "`Sign out everywhere else` is for a browser that you left open.",
        ),
        ("A password that the site's directory keeps is changed there.",),
    ),
    "forecast": HelpTopic(
        "Forecast",
        "/packages",
        "How a deployment will go before it is made, by other pauses, another priority or other fragments.",
        (
            "Move a slider: the curve and what each line carries are simulated anew.",
            "Write what the line of a site can carry, such as `4Mbit/s`, where it is thin.",
            "Say until when it is to be done, and what no line may exceed: `Find settings for it`.",
            "Set the pauses and the period under `Settings`; priority and fragments when a package is created.",
        ),
        ("Computers come at their own times: before their next contact no setting helps.",),
    ),
    "sets": HelpTopic(
        "Sets of packages",
        "/sets",
        "Packages that are deployed together.",
        (
            "Give it a name, and choose the packages in their order.",
            "In a chain each package waits on a computer for a success of the one before.",
            "Assign it to those that a search finds, a group or a TAG; look first what would happen.",
        ),
        ("Where one of its packages is superseded, the set has the new one.",),
    ),
    "recurring": HelpTopic(
        "Recurring deployments",
        "/recurrences",
        "A package that comes again every so many days.",
        (
            "Choose the package, after how many days, and for whom.",
            "Each time computers that are done get another attempt, and those that never had it get it.",
        ),
        ("A computer that has not done with the one before is passed over.",),
    ),
    "sources": HelpTopic(
        "Watched sources",
        "/sources",
        "A package that follows a file, a folder or a URL.",
        (
            "Create and activate the package first, from what is there now.",
            "Give the place, and how often it is looked at.",
            "What is new there is made into a package that supersedes the old one.",
        ),
        ("Paths on the server have to be within the setting `sources.folders`.",),
    ),
    "notices": HelpTopic(
        "Notices",
        "/notices",
        "What is wrong by itself: roll-outs that halt, computers that stall, lost servers, a full disk, certificates.",
        (
            "Set a webhook or a mail address in the file of the server, and reload.",
            "`Send a test` says whether it comes through.",
            "Each condition is told once when it begins, and once when it is over.",
        ),
    ),
    "journal": HelpTopic(
        "Journal",
        "/events",
        "What happened, and who did it.",
        (
            "Choose a kind, an actor, a package or a computer.",
            "The page of a computer or a package has what concerns it.",
        ),
    ),
}
# The topic of a path, the first that fits.
_WHERE: Final = (
    (r"/packages/new.*", "create"),
    (r"/packages/[^/]+/activate", "activate"),
    (r"/packages/[^/]+/(deployment|acts).*", "deployment"),
    (r"/packages/[^/]+/forecast", "forecast"),
    (r"/sets.*", "sets"),
    (r"/recurrences.*", "recurring"),
    (r"/sources.*", "sources"),
    (r"/notices.*", "notices"),
    (r"/packages.*|/package-acts.*", "packages"),
    (r"/computers/.+", "computer"),
    (r"/computers.*|/computer-.*", "computers"),
    (r"/assign.*", "assign"),
    (r"/groups.*", "groups"),
    (r"/rollouts.*", "rollouts"),
    (r"/mirrors.*", "mirrors"),
    (r"/mirror-rules.*", "rules"),
    (r"/settings.*", "settings"),
    (r"/operators.*", "operators"),
    (r"/tokens.*", "tokens"),
    (r"/account.*", "account"),
    (r"/events.*", "journal"),
)


def topic_of(path: str) -> str:
    """The name of the topic that helps on a page."""
    return next((topic for pattern, topic in _WHERE if re.fullmatch(pattern, path)), "overview")


def texts() -> list[str]:
    """All of them, in English."""
    found: list[str] = []
    for topic in TOPICS.values():
        found += [topic.title, topic.lead, *topic.steps, *topic.notes]
    return found
