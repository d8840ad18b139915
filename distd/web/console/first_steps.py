"""What a new site still lacks: a first package, a first computer. And how an agent is told of this server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HTTPS_PORT: Final = ":443"


@dataclass(frozen=True, slots=True)
class AgentSetup:
    """What is typed on a computer: each is one text, of several lines on Debian."""

    url: str
    debian: str
    windows: str
    by_hand: str


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Which steps are done: there is a package, an active one, a computer, something assigned."""

    has_package: bool
    is_active: bool
    has_computer: bool
    is_assigned: bool
    setup: AgentSetup

    @property
    def is_new(self) -> bool:
        """Whether the site is still to be led through them."""
        return not (self.has_package and self.has_computer)


def agent_setup(https: str) -> AgentSetup:
    """For the agents of OCS. `https`: "host:port" of this server, as agents are told it."""
    url = f"https://{https.removesuffix(HTTPS_PORT)}/ocsinventory"
    return AgentSetup(
        url,
        "apt-get install ocsinventory-agent liblwp-protocol-https-perl libio-socket-ssl-perl unzip\n"
        "cp cacert.pem /etc/ocsinventory/cacert.pem\n"
        f"printf 'server={url}\\nca=/etc/ocsinventory/cacert.pem\\n' > /etc/ocsinventory/ocsinventory-agent.cfg\n"
        "ocsinventory-agent",
        f"OCS-Windows-Agent-Setup-x64.exe /S /NOSPLASH /SERVER={url} /SSL=1 /CA=cacert.pem /NOW",
        f"ocsinventory-agent --server={url} --ca=cacert.pem",
    )
