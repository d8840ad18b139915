"""/settings: the parameters of the site, which can be changed here, and the settings in force, each with its value, its
unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput
from distd.domain.parameters import ON, PARAMETERS, Level, read_values
from distd.domain.permissions import Act
from distd.domain.settings import DEFAULT, SECTIONS, TABLE
from distd.operations import parameters as operations
from distd.web.console.faults import fault_text
from distd.web.console.frame import page
from distd.web.console.setting_words import unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.setting import Setting, Value
    from distd.domain.settings import Settings
    from distd.operations.parameters import ParametersChange
    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/settings"
SHOWN: Final = ("all", "set")


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting with its value; `origin`: "--set", a variable, the file, or "default"."""

    setting: Setting
    value: Value
    origin: str

    @property
    def key(self) -> str:
        """Its name within its section."""
        return self.setting.name.partition(".")[2]


class SettingPages:
    """That page."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get(PATH)
        async def settings() -> Response:
            return await self._show({}, {})

        @app.post(f"{PATH}/parameters")
        async def set_site_parameters() -> Response | PlainResponse:
            form = await request.form
            is_tried = form.get("step") == "try"
            try:
                values = read_values({name: form.get(name, "") for name in PARAMETERS})
                given = operations.values_of(values, dry_run=is_tried)
                done = await self._asked.do(operations.SET[Level.SITE], given=given)
            except BadInput as error:
                self._asked.demand(Act.PARAMETERS_WRITE_SITE)
                return await self._show(form, {error.field: fault_text(error)}, status=400)
            return await self._show(form, {}, tried=done) if is_tried else redirect(PATH, 303)

    async def _show(
        self,
        form: Mapping[str, str],
        faults: Mapping[str, str],
        *,
        tried: ParametersChange | None = None,
        status: int = 200,
    ) -> Response:
        """`form`: what was typed, with what is wrong with it, or what it would do."""
        told = await self._asked.do(operations.SHOW[Level.SITE])
        site = self._asked.site()
        shown = request.args.get("show", SHOWN[0])
        return await page(
            "settings.html",
            status,
            parameters=told,
            on=ON,
            unit_of=unit_of,
            settings=site.settings,
            rows=TABLE,
            own={name: each for name, each in told.items() if each.origin == Level.SITE},
            form=form,
            faults=faults,
            tried=tried,
            sections=_sections(site.settings, only_set=shown == "set"),
            shown=shown if shown in SHOWN else SHOWN[0],
            file=str(site.data.settings_file),
            default=DEFAULT,
        )


def _sections(settings: Settings, *, only_set: bool) -> dict[str, list[SettingInForce]]:
    """By the names of their sections; of an empty one nothing."""
    found: dict[str, list[SettingInForce]] = {name: [] for name in SECTIONS}
    for name, row in TABLE.items():
        if not only_set or name in settings.origins:
            found[name.partition(".")[0]].append(SettingInForce(row, settings.value(name), settings.origin(name)))
    return {name: rows for name, rows in found.items() if rows}


def value_text(value: Any) -> str:
    """As it stands in the file."""
    return str(value).lower() if isinstance(value, bool) else str(value)
