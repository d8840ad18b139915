"""The four ways to activate a package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.origin.mirrors import mirrors as use_cases
from distd.origin.mirrors.mirrors import NewMirror
from distd.origin.packages import overview, planned_activations
from distd.web.console import package_activation
from distd.web.console.address_probe import AddressFinding, Finding, Probed
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


@pytest.fixture
def package(publish: Any) -> Any:
    return publish(name="Putty")


@pytest.fixture
def two_mirrors(origin: TestOrigin, package: Any) -> None:
    """That have joined; "lyon" has the package."""
    for name in ("lyon", "paris"):
        origin.act(use_cases.add, NewMirror(name, f"http://{name}.example:80", location=name.title()), 0.0)

    def join(conn: Any) -> None:
        conn.execute(mirrors.update().values(joined_at_us=1))
        lyon = conn.scalar(mirrors.select().where(mirrors.c.name == "lyon").with_only_columns(mirrors.c.id))
        row = {"mirror_id": lyon, "package_id": package.id, "version": 1, "ready_at_us": 1}
        conn.execute(insert(mirror_packages).values(**row))

    origin.write(join)


async def test_all_ways_have_an_address(browser: Browser, package: Any) -> None:
    await browser.sign_in()
    path = f"/packages/{package.id}/activate"
    for way in ("automatic", "manual", "mirrors", "date"):
        page = await browser.page(f"{path}?how={way}")
        assert f'href="{path}?how={way}" aria-current="page"' in page
    assert f'{path}?how=automatic" aria-current' in await browser.page(f"{path}?how=other")
    text = await browser.text(f"{path}?how=manual", **{"Accept-Language": "fr"})
    for word in ("Activation manuelle", "Serveur https", "Serveur de fichiers"):
        assert word in text
    assert 'value="origin:8443/download"' in await browser.page(f"{path}?how=manual")


async def test_at_once_from_this_server(browser: Browser, package: Any, origin: TestOrigin) -> None:
    await browser.sign_in()
    answer = await browser.post(f"/packages/{package.id}/activate", {"how": "automatic", "via": "direct"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/packages/{package.id}")
    found = origin.read(overview.show, package.id)
    assert (found.state, found.info_server, found.via) == ("ACTIVE", None, "direct")


async def test_by_hand(browser: Browser, package: Any, origin: TestOrigin) -> None:
    await browser.sign_in()
    servers = {"info_server": "a.example:443/d", "fragment_server": "b.example/d"}
    answer = await browser.post(f"/packages/{package.id}/activate", {"how": "manual", **servers})
    assert answer.status_code == 303
    found = origin.read(overview.show, package.id)
    assert (found.info_server, found.fragment_server) == tuple(servers.values())
    assert 'value="a.example:443/d"' in await browser.page(f"/packages/{package.id}/activate?how=manual")


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"how": "manual", "info_server": "https://x/d", "fragment_server": "x/d"}, "info_server"),
        ({"how": "manual", "info_server": "x/d", "fragment_server": ""}, "fragment_server"),
        ({"how": "date", "not_before": ""}, "not_before"),
        ({"how": "date", "not_before": "2001-01-01T08:00"}, "not_before"),
        ({"how": "date", "not_before": "soon"}, "not_before"),
        ({"how": "mirrors", "percent": "0"}, "percent"),
        ({"how": "mirrors", "percent": "50", "latest": "2001-01-01T08:00"}, "latest"),
    ],
)
async def test_what_is_wrong_stands_beside_its_input(
    browser: Browser, package: Any, two_mirrors: None, form: dict[str, str], field: str
) -> None:
    await browser.sign_in()
    answer = await browser.post(f"/packages/{package.id}/activate", form)
    assert answer.status_code == 400
    assert f'id="{field}-fault"' in await answer.get_data(as_text=True)


async def test_when_mirrors_are_ready(browser: Browser, package: Any, two_mirrors: None, origin: TestOrigin) -> None:
    await browser.sign_in()
    path = f"/packages/{package.id}/activate"
    text = await browser.text(f"{path}?how=mirrors")
    assert "1 of 2 are ready" in text
    assert "Lyon" in text
    form = {"how": "mirrors", "percent": "100 %", "latest": "2126-01-01T08:00"}
    assert (await browser.post(path, form)).status_code == 303
    planned = origin.read(planned_activations.planned_of, package.id)
    assert (planned.ready, planned.needed, planned.latest_s is not None) == (1, 2, True)
    assert "when 2 of 2 mirrors have verified it; 1 have" in await browser.text(f"/packages/{package.id}")
    assert (await browser.post(path, form | {"site": "Lyon", "latest": ""})).status_code == 303
    assert origin.read(planned_activations.planned_of, package.id).sites == ["Lyon"]


async def test_at_a_date(browser: Browser, package: Any, origin: TestOrigin) -> None:
    await browser.sign_in()
    form = {"how": "date", "not_before": "2126-01-01T08:00"}
    assert (await browser.post(f"/packages/{package.id}/activate", form)).status_code == 303
    assert origin.read(overview.show, package.id).state == "PLANNED"
    assert "Not before" in await browser.text(f"/packages/{package.id}")


async def test_without_mirrors_the_page_says_so(browser: Browser, package: Any) -> None:
    await browser.sign_in()
    text = await browser.text(f"/packages/{package.id}/activate?how=mirrors")
    assert "No mirror has joined yet." in text
    assert "Activate when they are ready" not in text


async def test_both_addresses_are_tried(browser: Browser, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def probe(info_server: str, fragment_server: str, manifest: Any, ca: Any) -> list[Probed]:
        asked.append((info_server, fragment_server, manifest.package_id))
        return [
            Probed("https://a/d", (AddressFinding(Finding.CERTIFICATE_BAD, "expired"), AddressFinding(Finding.SAME)))
        ]

    monkeypatch.setattr(package_activation, "probe", probe)
    await browser.sign_in()
    form = {"how": "manual", "info_server": " a/d/ ", "fragment_server": "b/d"}
    path = f"/packages/{package.id}/activate/probe"
    part = await (await browser.post(path, form, **{"HX-Request": "true"})).get_data(as_text=True)
    assert "<html" not in part
    assert "refuse its certificate. expired" in text_of(part)
    whole = await (await browser.post(path, form)).get_data(as_text=True)
    assert "<html" in whole
    assert "The digest is right." in whole
    assert asked == [("a/d", "b/d", package.id)] * 2


async def test_who_may_only_look_tries_and_activates_nothing(viewer: Browser, package: Any) -> None:
    await viewer.sign_in()
    path = f"/packages/{package.id}/activate"
    assert (await viewer.get(path)).status_code == 403
    for each in (path, f"{path}/probe"):
        assert (await viewer.post(each, {"how": "automatic"})).status_code == 403
