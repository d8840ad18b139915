"""All pages but those of packages and of the sign-in, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.web.console.computer import ComputerPages
from distd.web.console.computer_batches import ComputerBatchPages
from distd.web.console.computer_changes import ComputerChangePages
from distd.web.console.computers import ComputerListPages
from distd.web.console.criteria import CriteriaPages
from distd.web.console.deployment import DeploymentPages
from distd.web.console.deployment_acts import DeploymentActPages
from distd.web.console.first_page import FirstPage
from distd.web.console.forecast import ForecastPages
from distd.web.console.groups import GroupPages
from distd.web.console.help_pages import HelpPages
from distd.web.console.journal import JournalPages
from distd.web.console.mirror_rules import MirrorRulePages
from distd.web.console.mirrors import MirrorPages
from distd.web.console.notices import NoticePages
from distd.web.console.operators import OperatorPages
from distd.web.console.package_sets import PackageSetPages
from distd.web.console.recurrences import RecurrencePages
from distd.web.console.rollouts import RolloutPages
from distd.web.console.settings_page import SettingPages
from distd.web.console.stalls import StallPages
from distd.web.console.tokens import TokenPages
from distd.web.console.use_cases import UseCases
from distd.web.console.watched_sources import WatchedSourcePages

if TYPE_CHECKING:
    from distd.catalogue.writer import Writer
    from distd.web.console.app import Pages
    from distd.web.console.forecast import MakeForecast
    from distd.web.console.operations import ConsoleOperations, OwnServers


def site_pages(
    operations: ConsoleOperations, writer: Writer, own_servers: OwnServers, make_forecast: MakeForecast
) -> tuple[Pages, ...]:
    """All of them. `make_forecast`: see `ForecastPages`."""
    use_cases = UseCases(operations, writer)
    return (
        FirstPage(use_cases, own_servers),
        ComputerListPages(use_cases),
        CriteriaPages(use_cases),
        ComputerBatchPages(use_cases),
        ComputerChangePages(use_cases),
        ComputerPages(use_cases),
        GroupPages(operations),
        DeploymentPages(use_cases),
        DeploymentActPages(use_cases),
        RolloutPages(operations),
        ForecastPages(use_cases, make_forecast),
        MirrorPages(use_cases, own_servers),
        MirrorRulePages(use_cases),
        SettingPages(operations),
        OperatorPages(operations),
        TokenPages(operations, own_servers),
        NoticePages(operations),
        PackageSetPages(operations),
        RecurrencePages(operations),
        WatchedSourcePages(operations),
        JournalPages(use_cases),
        StallPages(use_cases),
        HelpPages(operations, own_servers),
    )
