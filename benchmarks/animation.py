"""``python -m benchmarks.animation``: the README's picture and its short film, made from the real thing.

A fresh server computes both runs live in a real browser; then the player is moved from noise to data and
every position is photographed. Nothing is drawn afterwards. The film is an animated WebP: half of a GIF's
size at twice its colours, and every browser and GitHub shows it.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.servers import ROOT
from benchmarks.stage import stage

OUT = ROOT / "docs" / "img"
ASKED = {
    "prompt": "a sunflower",
    "molecule": "GCGAATTCGC",
    "kind": "dna",
    "seed": "5",
    "theme": "light",
    "lang": "en",
}
FILM = {"width": 960, "height": 420}
HEAD = 30  # pixels of the frame's own head, with a link that a film cannot follow
STILL = {"width": 1366, "height": 768}
STILL_AT = "0.56"
FRAMES = 56
FRAME_MS = 120
FIRST_MS = 900
LAST_MS = 2600
MAX_BYTES = 800_000
FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader"]


def settled(page: Page, ids: Sequence[str] = ("dalle2", "alphafold3")) -> None:
    """Waits until both runs are live and finished, and everything has been drawn."""
    for id in ids:
        expect(page.locator(f"#{id} .origin")).to_have_attribute(
            "data-origin", "live", timeout=90_000
        )
    page.evaluate("() => document.fonts.ready")
    page.wait_for_function(
        "() => document.querySelectorAll('#alphafold3 canvas').length > 1", timeout=60_000
    )


def drawn(page: Page) -> None:
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def photographed(page: Page) -> list[Image.Image]:
    """The panels and the player at even steps of the axis, noise first."""
    track = page.locator("#track")
    box = track.bounding_box()
    assert box is not None
    clip = {"x": 0, "y": HEAD, "width": FILM["width"], "height": FILM["height"] - HEAD}
    pictures = []
    for k in range(FRAMES):
        share = k / (FRAMES - 1)
        page.mouse.click(box["x"] + 1 + share * (box["width"] - 2), box["y"] + box["height"] / 2)
        page.mouse.move(FILM["width"] / 2, 2)
        drawn(page)
        shot = page.screenshot(clip=clip)  # type: ignore[arg-type]
        pictures.append(Image.open(io.BytesIO(shot)).convert("RGB"))
    return pictures


def written(pictures: Sequence[Image.Image], path: Path) -> int:
    """The film as the best WebP within the bound. Raises RuntimeError if none is small enough."""
    durations = [FIRST_MS] + [FRAME_MS] * (len(pictures) - 2) + [LAST_MS]
    for quality in range(66, 40, -6):
        out = io.BytesIO()
        pictures[0].save(
            out, "WEBP", save_all=True, append_images=list(pictures[1:]), duration=durations,
            loop=0, quality=quality, method=6, minimize_size=True,
        )  # fmt: skip
        if out.tell() <= MAX_BYTES:
            path.write_bytes(out.getvalue())
            print(f"{path}: {out.tell() / 1000:.0f} kB, {len(pictures)} frames, quality {quality}")
            return out.tell()
    raise RuntimeError(f"no film of {len(pictures)} frames fits {MAX_BYTES} bytes")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.animation", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--url", help="of a running server, instead of a fresh one")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    server = None if args.url else stage()
    url = args.url or server.url  # type: ignore[union-attr]
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
            page = browser.new_page(viewport=FILM)  # type: ignore[arg-type]
            page.goto(f"{url}/embed?{urlencode({**ASKED, 'u': '1', 'hide': 'tools'})}")
            settled(page)
            expect(page.locator("#track")).to_have_attribute("aria-valuenow", "100", timeout=90_000)
            page.wait_for_timeout(1000)  # the camera glides to where the molecule is seen best
            written(photographed(page), args.out / "stage.webp")
            page.close()
            page = browser.new_page(viewport=STILL, device_scale_factor=1.25)  # type: ignore[arg-type]
            page.goto(f"{url}/?{urlencode({**ASKED, 'u': STILL_AT})}")
            settled(page)
            expect(page.locator("#chart")).to_have_attribute("data-state", "drawn", timeout=90_000)
            expect(page.locator("#track")).to_have_attribute(
                "aria-valuenow", str(round(100 * float(STILL_AT))), timeout=90_000
            )
            page.wait_for_timeout(1000)
            still = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            still.quantize(255, dither=Image.Dither.NONE).save(
                args.out / "stage.png", optimize=True
            )
            print(
                f"{args.out / 'stage.png'}: {(args.out / 'stage.png').stat().st_size / 1000:.0f} kB"
            )
            browser.close()
    finally:
        if server:
            server.stop()


if __name__ == "__main__":
    main()
