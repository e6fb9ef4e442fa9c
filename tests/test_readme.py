"""The README's commands do what it says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from curate import runfile
from curate.config import parse
from tests.conftest import Demo
from tests.runs import corpus, curate

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(start: str) -> list[list[str]]:
    """The words of every command in the shell blocks that begins so."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(start)]
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.timeout(1200)
def test_make_demo_and_what_comes_after_it(demo: Demo) -> None:
    said = demo.said
    assert "not as expected" not in said
    assert "wrongly dropped: none" in said
    missed = set(re.findall(r"^│ (.+?) +│ +\d+ │ +\d+ │ \d+ missed", said, re.MULTILINE))
    assert missed == set()
    after = [words for words in commands(".venv/bin/curate") if "audit" not in " ".join(words)]
    said = "".join(curate(words, demo.folder) for words in after)
    assert "it shows demo:" in said
    assert "the promises hold" in said


def test_the_run_file_and_its_commands(tmp_path: Path) -> None:
    example, duplicates = blocks("toml")
    for text in (example, example + duplicates):
        parse(runfile.RunFile, tomllib.loads(text), "README.md")
    folder = corpus(tmp_path)
    here = example.replace("data/shards/{00000..00009}.tar", f"{folder}/corpus/*.tar")
    (tmp_path / "audit.toml").write_text(here.replace("data/benchmark", f"{folder}/benchmark"))
    for words in commands(".venv/bin/curate run"):
        curate(words, tmp_path)
    assert (tmp_path / "runs" / "audit" / "report" / "index.html").exists()


def test_the_audits(tmp_path: Path) -> None:
    folder = corpus(tmp_path)
    places = {
        "shards": "corpus",
        "benchmark": "benchmark",
        "more": "benchmark",
        "train": "benchmark",
        "test": "benchmark",
    }
    for place, given in places.items():
        shutil.copytree(folder / given, tmp_path / "data" / place)
    said = [curate(words, tmp_path) for words in commands(".venv/bin/curate audit")]
    assert ["leaked" in one for one in said] == [False, False, True]
    assert (tmp_path / "audits" / "train" / "report" / "audit.tex").exists()


def test_make_targets_exist() -> None:
    targets = [words[1] for words in commands("make")]
    assert targets == ["demo", "test"]
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=True)


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("*.toml")), ids=lambda path: path.name)
def test_run_files_of_jobs_are_whole(path: Path) -> None:
    runfile.load(str(path))
    assert path.read_text().startswith("# "), "a run file opens with its cost and what to expect"


def test_links_lead_somewhere() -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text("utf-8")):
            assert (ROOT / target).exists(), f"{document} links to {target}"


def test_pictures_are_there_are_small_and_are_told_in_words() -> None:
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    assert {target for _, target in pictures} == {f"notebooks/pictures/{name}.png" for name in ("table", "pairs")}
    for said, target in pictures:
        assert len(said) > 40, f"{target} has no words for who cannot see it"
        assert (ROOT / target).read_bytes().startswith(b"\x89PNG")
        assert (ROOT / target).stat().st_size <= 120_000
