"""A real headless Chromium for tests, and pages in it that must neither complain nor leave this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

DEMAND = "CURATE_BROWSER"
"""Set to `required`, a machine without a browser fails the tests that need one, instead of skipping them."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium until the block ends: the machine's own, or Playwright's; skips the test where there is neither.

    To be kept for one module only: while it runs, no other event loop can in this thread.
    """
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, _NAMES)), own if Path(own).exists() else None)
        if found is None:
            why = "no Chromium on this machine: install `chromium`, or say `.venv/bin/playwright install chromium`"
            assert os.environ.get(DEMAND) != "required", why
            pytest.skip(why)
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has no sandbox for root
        browser = playwright.chromium.launch(executable_path=found, args=sandbox)
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A page that, when the block ends, has said nothing on its console and asked nothing of another machine."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert complaints == []
    assert asked
    assert [url for url in asked if not _is_here(url)] == []


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("file", "data") or (parts.scheme == "http" and parts.hostname == "127.0.0.1")
