"""The API's statistics of a package, also as a table for spreadsheets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import Response, request
from quart_schema import document_response

from distd.domain.spreadsheet import csv_head, csv_lines
from distd.operations.acts import STATISTICS
from distd.origin.deployments.statistics import PackageStatistics, rows_of, show_statistics
from distd.web.api.auth import needs
from distd.web.api.description import answers

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader

CSV: Final = "text/csv"


class StatisticsRoutes:
    """Statistics of a package."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the route."""

        @app.get("/api/v1/packages/<package_id>/statistics")
        @needs(STATISTICS.act)
        @document_response(PackageStatistics)
        @answers(also={CSV: "One table of all numbers, for spreadsheets."})
        async def show_package_statistics(package_id: str) -> Any:
            """How many computers are where with a package: by state, code, time, tag, subnet and more."""
            found = await self._reader.run(partial(show_statistics, package_id=package_id))
            return Response(_csv(found), content_type=CSV) if CSV in request.headers.get("Accept", "") else found


def _csv(found: PackageStatistics) -> str:
    rows = list(rows_of(found))
    names = list(rows[0])
    return csv_head(names) + csv_lines(names, rows)
