"""The pages of computers, groups, deployments, roll-outs, the overview and the journal, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.web.console.computer import ComputerPages
from distd.web.console.computer_batches import ComputerBatchPages
from distd.web.console.computers import ComputerListPages
from distd.web.console.deployment import DeploymentPages
from distd.web.console.deployment_acts import DeploymentActPages
from distd.web.console.first_page import FirstPage
from distd.web.console.groups import GroupPages
from distd.web.console.journal import JournalPages
from distd.web.console.rollouts import RolloutPages
from distd.web.console.use_cases import UseCases

if TYPE_CHECKING:
    from distd.catalogue.writer import Writer
    from distd.web.console.app import Pages
    from distd.web.console.operations import ConsoleOperations


def site_pages(operations: ConsoleOperations, writer: Writer) -> tuple[Pages, ...]:
    """All of them."""
    use_cases = UseCases(operations, writer)
    return (
        FirstPage(use_cases),
        ComputerListPages(use_cases),
        ComputerBatchPages(use_cases),
        ComputerPages(use_cases),
        GroupPages(operations),
        DeploymentPages(use_cases),
        DeploymentActPages(use_cases),
        RolloutPages(operations),
        JournalPages(use_cases),
    )
