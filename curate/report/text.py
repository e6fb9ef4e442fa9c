"""Text from the web, made fit to be shown. Escaping is the template's work; here is what HTML does not escape."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

_JOINERS = "\u200c\u200d"  # they build letters and emoji, and hide nothing
_BLANKS = re.compile(r"[\t\n\r]+")


def visible(text: str) -> str:
    """Name each character that hides or reorders its neighbours: U+202E becomes `⟨U+202E⟩`; breaks become blanks."""
    text = _BLANKS.sub(" ", text)
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else f"⟨U+{ord(c):04X}⟩" for c in text)


def shown(value: Any) -> Any:
    """What jinja2 prints of any value: strings made visible, markup of our own left alone."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def shortened(text: str, most: int = 160) -> str:
    """The first `most` characters, and how many more there are."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def is_link(url: str | None) -> bool:
    """Whether a URL may be clicked on: http or https, with a host, and no character that a browser would drop."""
    if not url or len(url) > 2000 or visible(url) != url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _is_harmless(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
