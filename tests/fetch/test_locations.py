"""URLs are read and encoded as browsers do."""

from __future__ import annotations

import pytest

from curate.fetch.locations import Location, join, parse


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ("http://a.org/b.jpg", "http://a.org/b.jpg"),
        ("http://a.org", "http://a.org/"),
        ("  HTTPS://A.Org:443/b c.jpg#top ", "https://a.org/b%20c.jpg"),
        ("http://a.org/é?q=ü x&r='1'", "http://a.org/%C3%A9?q=%C3%BC%20x&r=%271%27"),
        ("http://a.org/a%20b%2Fc?d=%C3%A9", "http://a.org/a%20b%2Fc?d=%C3%A9"),
        ("http://a.org/100%.jpg", "http://a.org/100%.jpg"),
        ("http://a.org/[1]{2}|3", "http://a.org/[1]%7B2%7D|3"),
        ("http://bücher.example/ß", "http://xn--bcher-kva.example/%C3%9F"),
        ("http://☃.net/", "http://xn--n3h.net/"),
        ("http://a.org/x/./y/%2e%2E/z", "http://a.org/x/z"),
        ("http:\\\\a.org\\b", "http://a.org/b"),
        ("http:/a.org/b", "http://a.org/b"),
        ("ht\ntp://a.o\trg/b", "http://a.org/b"),
        ("http://me:p@ss@a.org/b", "http://me:p%40ss@a.org/b"),
        ("http://0x7f.1:80/", "http://127.0.0.1/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
        ("http://a_b.org/", "http://a_b.org/"),
    ],
)
def test_encoding(listed: str, sent: str) -> None:
    at = parse(listed)
    assert isinstance(at, Location)
    assert at.url == sent
    assert parse(sent) == at  # nothing is encoded twice


@pytest.mark.parametrize(
    "listed",
    [
        "",
        "   ",
        "a cat",
        "/b.jpg",
        "http://",
        "http:///",
        "http://a b/",
        "http://a.org:99999/",
        "http://a.org:x/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://1.2.3.4.5/",
        "http://a..b/",
        "http://" + "a" * 300 + "/",
        "http://%00.org/",
        "http://a.org/" + "x" * 20_000,
        "http://1.2.3.999/",
    ],
)
def test_no_url(listed: str) -> None:
    assert parse(listed)[0] == "bad_url"


@pytest.mark.parametrize("listed", ["file:///etc/passwd", "ftp://a.org/", "data:image/png;base64,AA", "JavaScript:x()"])
def test_other_schemes(listed: str) -> None:
    assert parse(listed)[0] == "forbidden_scheme"


def test_redirects_resolve_against_their_url() -> None:
    base = parse("https://a.org:8443/x/y?q")
    assert isinstance(base, Location)
    assert join(base, "z?é")[0] == "https://a.org:8443/x/z?%C3%A9"
    assert join(base, "//b.org/z")[0] == "https://b.org/z"
    assert join(base, "FILE:///etc/passwd")[0] == "forbidden_scheme"
