"""Captions, keys and URLs come from the web: on the page they are text, and text that misleads nobody."""

from __future__ import annotations

import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from curate import report
from curate.report.text import is_link, shortened, visible
from curate.store import Store
from tests.report import hostile, scripts

OURS = """html head meta link title style script body main header footer nav section h1 h2 h3 p dl dt dd small div span
svg rect table thead tbody tr th td details summary code a noscript label select option input button dialog kbd"""
"""Every tag of the template; any other came from the web."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose matches have hostile captions, keys, classes and URLs."""
    return hostile.page(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def pairs(page: Path) -> list[dict[str, Any]]:
    return scripts.pairs(Store(str(page.parent.parent)))


class Tags(HTMLParser):
    """Every tag of a page, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_nothing_from_the_pairs_is_in_the_page_itself(page: Path) -> None:
    seen = Tags(page.read_text())
    assert hostile.CAPTION not in seen.text
    assert "owned" not in page.read_text()
    assert hostile.KEY not in page.read_text()
    assert {tag for tag, _ in seen.tags} <= set(OURS.split())
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcdoc")], tag


def test_the_policy_lets_only_our_script_and_style_in(page: Path) -> None:
    metas = [attributes for tag, attributes in Tags(page.read_text()).tags if tag == "meta"]
    (policy,) = (str(meta["content"]) for meta in metas if meta.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("script-src").startswith("'sha256-")
    assert rules.pop("style-src").startswith("'sha256-")
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "curate",
    }
    assert "unsafe" not in policy


def test_the_script_makes_no_markup_of_text() -> None:
    folder = Path(report.__file__).parent / "templates"
    code = "".join(path.read_text() for path in folder.glob("*.js"))
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc"):
        assert sink not in code


def test_texts_are_data_word_for_word(pairs: list[dict[str, Any]]) -> None:
    matches = [pair for pair in pairs if pair["gallery"]]
    assert len(matches) == hostile.MATCHES
    for pair in matches:
        sample, image = pair["pictures"]
        assert sample["caption"].startswith(hostile.CAPTION)
        assert image["label"] == hostile.CLASS
        assert f"00000:{hostile.KEY}" in pair["sample"]


def test_control_and_direction_characters_are_named(pairs: list[dict[str, Any]]) -> None:
    said = str(pairs)
    assert not set(said) & {"\x1b", "\u202e"}
    assert "⟨U+001B⟩[2J⟨U+202E⟩long" in said
    assert "more characters)" in said


def test_only_web_urls_are_links(pairs: list[dict[str, Any]]) -> None:
    links = {picture.get("link") for pair in pairs for picture in pair["pictures"]}
    assert links == {None, hostile.URLS[1], hostile.URLS[2]}
    assert hostile.URLS[0] in {picture.get("url") for pair in pairs for picture in pair["pictures"]}


def test_the_command_shown_is_one_word_after_another_whatever_the_key(pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        words = shlex.split(pair["explain"])
        assert words[:2] == ["curate", "explain"]
        assert words[3] == pair["sample"]
        assert len(words) == 4


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, “quoted”, 写真, é", "plain, “quoted”, 写真, é"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("\x00\x1b[31m\x7f\x9b", "⟨U+0000⟩⟨U+001B⟩[31m⟨U+007F⟩⟨U+009B⟩"),
        ("a\u202eb\u2066c\u200bd\ufeff", "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200B⟩d⟨U+FEFF⟩"),
        ("\u2028\ue000\ud800", "⟨U+2028⟩⟨U+E000⟩⟨U+D800⟩"),
        ("👩\u200d💻 می\u200cخواهم", "👩\u200d💻 می\u200cخواهم"),
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_visible(text: str, seen: str) -> None:
    assert visible(text) == seen


@pytest.mark.parametrize(
    "url",
    [
        *(
            None,
            "",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//x.org/a",
        ),
        *(
            "http:",
            "https:///path",
            "http://[::1",
            "https://x.org/\u202e",
            " https://x.org\t",
            f"https://x.org/{'a' * 2000}",
        ),
    ],
)
def test_is_no_link(url: str | None) -> None:
    assert not is_link(url)


def test_shortened_says_how_much_is_missing() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("abcdef", 2) == "ab … (4 more characters)"
