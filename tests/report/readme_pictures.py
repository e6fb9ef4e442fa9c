"""The README's pictures, taken of the page of a finished demo: `python -m tests.report.readme_pictures runs/demo`.

The demo's pictures are drawn, or scikit-image's own photographs.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page

from tests.browser import chromium

FOLDER = Path(__file__).parent.parent.parent / "notebooks" / "pictures"
MOST, COLOURS = 120_000, (256, 192, 128, 96, 64)
"""Bytes of a file, so that the README loads quickly; colours of a picture, as many as fit."""
SHOWN = (("mirrored", "city/004"), ("cut", "photo/000"))
"""How the images of the pairs shown were changed, and their keys."""


def main(run: str) -> None:
    """Write notebooks/pictures/table.png and pairs.png."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, device_scale_factor=2, color_scheme="light")
        page.goto(f"file://{Path(run).resolve()}/report/index.html")
        _save(page.locator("#benchmarks"), "table")
        page.set_viewport_size({"width": 1000, "height": 1000})
        _save(_pairs(page), "pairs")


def _pairs(page: Page) -> Locator:
    """Those pairs beside one another."""
    cards = []
    for change, key in SHOWN:
        page.get_by_label("image was").select_option(label=change)
        page.get_by_label("key or shard has").fill(key)
        card = page.locator("article.card", has_text=key)
        card.scroll_into_view_if_needed()
        card.locator("img").nth(1).wait_for()
        cards.append(card.evaluate_handle("card => card.cloneNode(true)"))
    shown = page.locator("#cards")
    shown.evaluate("(shown, cards) => shown.replaceChildren(...cards)", cards)
    return shown


def _save(shown: Locator, name: str) -> None:
    shown.evaluate("element => { element.style.padding = '1rem'; element.style.margin = '0' }")
    shown.evaluate("element => element.querySelectorAll('h2').forEach(head => { head.style.marginTop = '0' })")
    file = FOLDER / f"{name}.png"
    with Image.open(io.BytesIO(shown.screenshot())) as taken:
        picture = taken.convert("RGB")
    for colours in COLOURS:
        picture.quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size <= MOST:
            return
    raise SystemExit(f"{file} is larger than {MOST:,} bytes; show less")


if __name__ == "__main__":
    main(*sys.argv[1:])
