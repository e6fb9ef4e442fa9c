"""Captions, keys and URLs come from the web: on the page they are text, and text that misleads nobody."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from curate.ops import tars
from curate.report import write_report
from curate.report.text import is_link, shortened, visible
from tests.runs import encoded, made, picture, settings

CAPTION = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script></bdi></style>"
URLS = {
    "k1": "javascript:document.title='owned'",
    "k2": 'https://example.org/"onmouseover="alert(1)?a=1&b=<2>',
    "k3": "https://example.org/plain.jpg",
}
OURS = """html head meta title style body main header section footer h1 h2 p dl dt dd small div span
table thead tbody tr th td article figure figcaption img br bdi a b details summary code"""
"""Every tag of the template; any other came from the web."""
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose matches have hostile captions, keys, labels and URLs."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "corpus").mkdir()
    with (folder / "corpus" / "00000.tar").open("wb") as file:
        for number, (key, url) in enumerate([*URLS.items(), ("<b>'\"&k4", "\x1b[31mno url \u202egpj.exe")]):
            tars.write(file, f"{key}.jpg", encoded(picture(number), quality=80))
            tars.write(file, f"{key}.txt", f"{CAPTION}{number} \x1b[2J\u202e{'long ' * 99}".encode())
            tars.write(file, f"{key}.json", json.dumps({"url": url}).encode())
        file.write(tars.END)
    for number in range(4):
        path = folder / "benchmark" / "<i onclick=alert(1)>" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    return Path(write_report(settings(folder, folder / "run"), made(folder, folder / "run")))


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


def test_hostile_text_stays_text(page: Path) -> None:
    seen = Tags(page.read_text())
    assert CAPTION in seen.text
    assert "<b>'\"&k4" in seen.text
    assert "<i onclick=alert(1)>" in seen.text
    assert {tag for tag, _ in seen.tags} == set(OURS.split())
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert tag != "img" or str(attributes["src"]).startswith("data:image/")


def test_control_and_direction_characters_are_named(page: Path) -> None:
    html = page.read_text()
    assert not set(html) & {"\x1b", "\u202e"}
    assert "⟨U+001B⟩[2J⟨U+202E⟩long" in html
    assert "more characters)" in html


def test_only_web_urls_are_links(page: Path) -> None:
    links = [attributes for tag, attributes in Tags(page.read_text()).tags if tag == "a"]
    assert sorted({str(link["href"]) for link in links}) == sorted([URLS["k2"], URLS["k3"]])
    assert {link["rel"] for link in links} == {"noreferrer noopener nofollow"}
    assert URLS["k1"] in Tags(page.read_text()).text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_nothing_runs_in_a_real_browser(page: Path, tmp_path: Path) -> None:
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run([*command, f"file://{page}"], capture_output=True, text=True, timeout=60, check=True)
    assert "<title>curate: " in done.stdout
    assert "&lt;img src=x onerror=" in done.stdout
    assert "<script" not in done.stdout


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
