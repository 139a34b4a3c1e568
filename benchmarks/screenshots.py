"""``python -m benchmarks.screenshots OUT``: every page in three sizes and three themes, to be looked at.

The pictures stay out of the repository. The stage is shown in mid-run, at the end, with a lesson and with
its settings open; long pages from top to bottom.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.page import FLAGS, chromium
from benchmarks.servers import ServerProcess

SIZES = {"projection": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}
THEMES = ("light", "dark", "projector")
# Name: path, query, keys pressed on the player, selector clicked before.
VIEWS: dict[str, tuple[str, dict[str, str], str, str]] = {
    "stage": ("/", {}, "4", ""),
    "stage-end": ("/", {}, "End", ""),
    "stage-settings": ("/", {}, "Home", "#settings summary"),
    "lesson": ("/", {"lesson": "axis", "step": "2"}, "3", ""),
    "lab": ("/lab", {}, "5", ""),
    "embed": ("/embed", {}, "5", ""),
    "lessons": ("/lessons", {}, "", ""),
    "models": ("/models", {}, "", ""),
    "card": ("/models/alphafold3", {}, "", ""),
    "calls": ("/docs", {}, "", ""),
    "join": ("/room", {}, "", ""),
    "missing": ("/nowhere", {}, "", ""),
}


def shoot(page: Page, url: str, name: str, theme: str, out: Path) -> None:
    path, query, key, click = VIEWS[name]
    page.goto(f"{url}{path}?{urlencode({**query, 'theme': theme, 'lang': 'en', 'lowgfx': '1'})}")
    page.wait_for_load_state("networkidle")
    if page.locator("#chart").count() > 0:
        page.wait_for_selector("#chart[data-state=drawn]", timeout=60_000)
    if key:
        page.locator("#track").focus()
        page.keyboard.press(key)
        page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    if click:
        page.click(click)
    page.wait_for_timeout(800)  # the camera glides to its place
    page.screenshot(path=out)


def shoot_all(browser: Browser, url: str, names: list[str], out: Path) -> None:
    for size, (width, height) in SIZES.items():
        page = browser.new_page(viewport={"width": width, "height": height})
        for name in names:
            for theme in THEMES:
                shoot(page, url, name, theme, out / f"{name}-{size}-{theme}.png")
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    parser.add_argument("--url", help="of a server that runs already")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    server = None if args.url else ServerProcess(["-m", "app", "--port", "0"])
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(args=FLAGS, executable_path=chromium())
            url = server.url if server else args.url
            shoot_all(browser, url, args.views, args.out)
            browser.close()
    finally:
        if server:
            server.stop()


if __name__ == "__main__":
    main()
