"""`make screenshots`: pictures of the console for README and guide, of the site of `make demo` during a roll-out.

Each page in both themes, their languages mixed; in few colours, so that none has more than `MAX_BYTES`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from loadtests.demo_site import EDITOR, OFFICE, PUTTY, open_demo_site
from tests.programs.chromium import open_chromium, open_page
from tests.programs.processes import find_program
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.demo_site import DemoSite

FOLDER: Final = Path(__file__).parents[1] / "distd/docs/screenshots"
MAX_BYTES: Final = 150_000
SIZE: Final = {"width": 1440, "height": 860}
THEMES: Final = ("light", "dark")
COLOURS: Final = 96
FETCHED_LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Picture:
    """`path`: with the id of a package or computer for {…}."""

    name: str
    path: str
    language: str


PICTURES: Final = (
    Picture("overview", "/", "fr"),
    Picture("packages", "/packages", "fr"),
    Picture("package", "/packages/{putty}", "en"),
    Picture("activate", "/packages/{office}/activate?how=manual", "fr"),
    Picture("computers", "/computers?filter=os+~+%22*windows+11*%22+and+memory+%3E%3D+8GiB", "en"),
    Picture("computer", "/computers/{computer}", "fr"),
    Picture("deployment", "/packages/{editor}/deployment", "en"),
    Picture("rollout", "/rollouts/1", "fr"),
)


async def main() -> int:
    """The exit status."""
    with tempfile.TemporaryDirectory(prefix="distd-screenshots-") as folder:
        async with open_demo_site(Path(folder)) as site:
            await await_until(lambda: _is_in_the_middle(site), "some computers have it", FETCHED_LIMIT_S, 1)
            values = _values(site)
            with ThreadPoolExecutor(1) as thread:
                work = thread.submit(take, site.origin.url, site.password, values)
                await trio.to_thread.run_sync(work.result)
    too_large = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > MAX_BYTES]
    sys.stdout.write(f"{len(PICTURES) * len(THEMES)} pictures in {FOLDER}\n")
    return 1 if too_large else 0


def _is_in_the_middle(site: DemoSite) -> bool:
    """Whether both deployments that are shown have computers in all states, and the roll-out its second wave."""
    items = {item["name"]: item for item in site.origin.distd("package", "list")["items"]}
    return bool(items[EDITOR.name]["success"] > 8 and items[OFFICE.name]["downloading"])


def _values(site: DemoSite) -> dict[str, str]:
    (computer,) = site.origin.distd("computer", "list", 'group("Salles de classe") AND windows', "--limit", 1)["items"]
    ids = {
        "putty": site.packages[PUTTY.name],
        "editor": site.packages[EDITOR.name],
        "office": site.packages[OFFICE.name],
    }
    return ids | {"computer": computer["device_id"]}


def take(url: str, password: str, values: dict[str, str]) -> None:
    """Sign in and take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with open_chromium() as browser, open_page(browser, url, viewport=SIZE) as page:
        page.goto("/login")
        page.locator("#name").fill("admin")
        page.locator("#password").fill(password)
        page.locator("#password").press("Enter")
        page.wait_for_url("**/")
        for picture in PICTURES:
            page.context.add_cookies([{"name": "lang", "value": picture.language, "url": url}])
            page.goto(picture.path.format(**values))
            page.wait_for_load_state("networkidle")
            for theme in THEMES:
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                path = FOLDER / f"{picture.name}-{theme}.png"
                page.screenshot(path=path)
                _shrink(path)


def _shrink(path: Path) -> None:
    """Few colours: a third of the bytes."""
    program = find_program("pngquant")
    if program is None:
        raise SystemExit("pngquant is not installed: apt-get install pngquant")
    _run([program, "--force", "--speed", "1", "--output", str(path), str(COLOURS), str(path)])


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(trio.run(main))
