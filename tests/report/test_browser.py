"""The page in a real browser, opened from the disk: it filters, turns pages and opens pairs, and nothing on it runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from curate.stages.contamination import changed
from curate.store import Store
from tests.browser import chromium, watched
from tests.report import hostile


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.page(tmp_path_factory.mktemp("browser"))


@pytest.fixture
def page(browser: Browser, path: Path) -> Iterator[Page]:
    with watched(browser) as seen:
        seen.goto(f"file://{path}")
        expect(seen.locator("#count")).to_have_text("1 to 24 of 31 pairs")
        yield seen


def test_pages_are_turned_and_pictures_come_when_they_are_looked_at(page: Page) -> None:
    expect(page.locator(".card")).to_have_count(24)
    last = page.locator(".card").nth(23)
    assert last.locator("img").count() == 0
    last.scroll_into_view_if_needed()
    expect(last.locator("img")).to_have_count(2)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#count")).to_have_text("25 to 31 of 31 pairs")
    assert page.get_by_role("button", name="Next").is_disabled()
    page.locator("#page").select_option("0")
    expect(page.locator("#count")).to_have_text("1 to 24 of 31 pairs")


def test_filters_let_through_what_they_say(page: Page, path: Path) -> None:
    matches = Store(str(path.parent.parent)).dataset("contamination").read_all().to_pylist()
    count = page.locator("#count")
    page.locator("#gallery").select_option(label="drawn (30)")
    expect(count).to_have_text("1 to 24 of 30 pairs")
    page.locator("#kind").select_option(label="same bytes")
    expect(count).to_have_text("1 to 10 of 10 pairs")
    page.get_by_role("button", name="Reset").click()
    page.locator("#change").select_option(label="mirrored")
    expect(count).to_have_text("1 to 10 of 10 pairs")
    plain = sum(not changed(row) for row in matches)
    page.locator("#change").select_option(label="not changed so")
    expect(count).to_have_text(f"1 to {plain} of {plain} pairs")
    page.get_by_role("button", name="Reset").click()
    page.locator("#to").fill("0.9999")
    shown = page.locator(".score").all_inner_texts()
    assert shown == sorted(shown)
    page.locator("#from").fill("2")
    expect(count).to_have_text("No pair is so; reset the filters.")
    page.get_by_role("button", name="Reset").click()
    page.locator("#text").fill("twin2")
    expect(count).to_have_text("1 to 1 of 1 pairs")
    expect(page.locator(".card")).to_contain_text("kept")
    page.get_by_role("button", name="Reset").click()
    page.locator("#show").select_option(label="the random sample")
    expect(count).to_have_text("1 to 20 of 20 pairs")


def test_a_pair_opens_by_keyboard_and_gives_the_focus_back(page: Page) -> None:
    page.locator(".card .open").nth(2).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", level=2)).to_have_text("Pair 3 of 31")
    expect(dialog.locator("img")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("heading", level=2)).to_have_text("Pair 4 of 31")
    expect(dialog).to_contain_text("curate explain")
    expect(dialog).to_contain_text("contamination")
    expect(page.locator("#verdicts")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.activeElement.closest('.card') === document.querySelectorAll('.card')[3]")


def test_an_address_leads_to_its_pair(page: Page, path: Path) -> None:
    page.locator(".card .open").nth(1).click()
    expect(page.locator("#pair-body img")).to_have_count(2)
    place = page.locator("#pair-body .key").first.inner_text()
    address = page.url
    assert "#pair-" in address
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#pair-body .key").first).to_have_text(place)


def test_hostile_text_stays_text(page: Page) -> None:
    page.locator("#kind").select_option(label="near")
    expect(page.locator(".card")).to_have_count(20)
    assert page.title().startswith("curate: ")
    ours = {"img", "script", "i", "b"}
    for number in range(20):
        card = page.locator(".card").nth(number)
        card.scroll_into_view_if_needed()
        expect(card.locator("img")).to_have_count(2)
        assert hostile.CAPTION in card.inner_text()
        assert hostile.CLASS in card.inner_text()
        assert hostile.KEY in card.inner_text()
        tags = set(card.evaluate("card => [...card.querySelectorAll('*')].map(e => e.localName)"))
        assert tags & ours == {"img"}
        assert card.evaluate(
            "card => [...card.querySelectorAll('*')].every(e => !e.getAttributeNames().some(n => n.startsWith('on')))"
        )
    assert page.locator("img:not([src^='data:image/jpeg;base64,'])").count() == 0
    assert page.title().startswith("curate: ")


def test_only_web_addresses_are_links_and_hidden_characters_are_named(page: Page) -> None:
    links: set[str] = set()
    texts = ""
    for number in range(20, 24):
        page.locator("#text").fill(f"{hostile.KEY}{number}")
        page.locator(".card .open").click()
        dialog = page.locator("#pair-body")
        expect(dialog.locator("img")).to_have_count(2)
        texts += dialog.inner_text()
        links |= set(dialog.evaluate("body => [...body.querySelectorAll('a')].map(a => a.getAttribute('href'))"))
        page.keyboard.press("Escape")
    assert links == {hostile.URLS[1], hostile.URLS[2]}
    assert hostile.URLS[0] in texts
    assert "⟨U+001B⟩[2J⟨U+202E⟩long" in texts
    assert not set(texts) & {"\x1b", "\u202e"}
    assert "more characters)" in texts


def test_no_script_but_ours_can_run(browser: Browser, path: Path) -> None:
    """The page's own policy stops markup that got in, were there any: neither handlers nor scripts nor pictures."""
    context = browser.new_context()
    page = context.new_page()
    got: list[str] = []
    context.on("requestfinished", lambda request: got.append(request.url))
    refused: list[str | None] = []
    context.on("requestfailed", lambda request: refused.append(request.failure))
    page.goto(f"file://{path}")
    expect(page.locator("#count")).to_have_text("1 to 24 of 31 pairs")
    injected = page.evaluate(
        "() => { try { document.body.innerHTML += '<b>x</b>'; return true } catch { return false } }"
    )
    assert not injected
    html = path.read_text().replace("<main>", f"<main>{hostile.CAPTION}<script src='http://127.0.0.1:9/x.js'></script>")
    evil = path.with_name("evil.html")
    evil.write_text(html)
    page.goto(f"file://{evil}")
    page.wait_for_selector("img[src=x]", state="attached")
    assert page.title().startswith("curate: ")
    assert set(got) == {f"file://{path}", f"file://{evil}", f"file://{path.parent}/pairs/index.js"}
    assert set(refused) == {"csp"}
    context.close()


def test_without_the_folder_beside_it_the_page_says_so(browser: Browser, path: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(path.read_bytes())
    page = browser.new_page()
    page.goto(f"file://{tmp_path}/index.html")
    expect(page.get_by_role("alert")).to_contain_text("Copy the whole folder")
    page.close()


def test_pairs_of_another_report_are_not_taken_for_these(browser: Browser, path: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(path.parent, tmp_path / "report")
    page = browser.new_page()
    page.goto(f"file://{folder}/index.html")
    expect(page.locator(".card")).to_have_count(24)
    chunk = folder / "pairs" / "0.js"
    other = json.loads(chunk.read_text()[len('take("0", ') : -3])
    chunk.write_text(f'take("0", {json.dumps(other[::-1])});')
    page.reload()
    page.locator("#order").select_option("down")
    page.locator(".card .open").first.click()
    expect(page.locator("#pair-said")).to_contain_text("of another report")
    assert page.locator("#pair-body img").count() == 0
    page.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out_sideways(browser: Browser, path: Path, width: int) -> None:
    with watched(browser, width) as page:
        page.goto(f"file://{path}")
        expect(page.locator(".card")).to_have_count(24)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.locator(".card .open").first.click()
        expect(page.locator("#pair-body img")).to_have_count(2)
        assert page.evaluate("document.querySelector('dialog').scrollWidth <= innerWidth")


def test_every_control_has_a_name_and_every_picture_a_text(page: Page) -> None:
    page.locator(".card .open").first.click()
    expect(page.locator("#pair-body img")).to_have_count(2)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, select, input, a')].filter(e =>
            !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map(e => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    for landmark in ("main", "banner", "contentinfo", "search"):
        page.keyboard.press("Escape")
        assert page.get_by_role(landmark).count() == 1, landmark
