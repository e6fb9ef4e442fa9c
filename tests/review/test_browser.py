"""A review by keyboard in a real browser: `curate review` serves, verdicts are stored, and the precision is told."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from curate.review import verdicts
from curate.store import Store
from tests.browser import chromium, watched
from tests.report import hostile


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return hostile.page(tmp_path, review={"sample": 6}).parent.parent


def curate(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "curate", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_review_by_keyboard(browser: Browser, run: Path) -> None:
    server = curate("review", str(run), "--reviewer", "ann")
    assert server.stdout
    said = server.stdout.readline()
    found = re.fullmatch(r"review: (http://127\.0\.0\.1:\d+/[\w-]{32}/)\n", said)
    assert found, said + server.stdout.read()
    with watched(browser) as page:
        page.goto(found[1])
        page.get_by_role("button", name="Judge the sample").press("Enter")
        title, told = page.locator("#pair-title"), page.locator("#pair-said")
        expect(title).to_have_text("Pair 1 of 6")
        names = []
        for number, key in enumerate("sdus", 2):
            names.append(page.url[-16:])
            page.keyboard.press(key)
            expect(title).to_have_text(f"Pair {number} of 6")
        expect(told).to_contain_text("Said: same. Of the sample, 4 of 6 are judged; precision 66.7 %")
        page.keyboard.press("z")
        expect(title).to_have_text("Pair 4 of 6")
        expect(told).to_contain_text("3 of 6 are judged")
        page.keyboard.press("ArrowLeft")
        expect(title).to_have_text("Pair 3 of 6")
        expect(page.get_by_role("button", name="unsure")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="same", exact=False).click()
        expect(title).to_have_text("Pair 4 of 6")
        page.keyboard.press("Escape")
        expect(page.locator(".chip.same")).to_have_count(2)
        expect(page.locator("#review-rows")).to_contain_text("66.7 %")
        page.locator("#show").select_option("different")
        expect(page.locator("#count")).to_have_text("1 to 1 of 1 pairs")
        page.reload()
        expect(page.locator("#review-rows")).to_contain_text("66.7 %")
    server.send_signal(signal.SIGINT)
    printed, _ = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "3 of 6 drawn pairs are judged" in printed
    stored = {verdicts.name_of(row): row for row in verdicts.read(Store(str(run))).to_pylist()}
    assert {name: row["verdict"] for name, row in stored.items()} == dict(
        zip(names[:3], ("same", "different", "same"), strict=True)
    )
    assert {row["reviewer"] for row in stored.values()} == {"ann"}


def test_a_server_that_went_away_is_said_and_nothing_is_shown_as_stored(browser: Browser, run: Path) -> None:
    server = curate("review", str(run))
    assert server.stdout
    url = server.stdout.readline().split()[1]
    page = browser.new_page()
    page.goto(url)
    page.get_by_role("button", name="Judge the sample").click()
    expect(page.locator("#pair-body img")).to_have_count(2)
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=60)
    page.keyboard.press("s")
    expect(page.locator("#pair-said")).to_contain_text("Not stored")
    expect(page.locator("#pair-title")).to_have_text("Pair 1 of 6")
    page.close()
    assert verdicts.read(Store(str(run))).num_rows == 0
