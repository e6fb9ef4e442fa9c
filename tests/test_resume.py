"""Promise 3: same input, same output, however often the run was killed, and whoever made the parts."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate import runfile
from curate.executors import executor
from curate.runner import run
from curate.store import Store
from curate.verify import verify_run
from tests.runs import contents, picture, quiet
from tests.web import run_file, served, site, url_lists

PICTURES, LISTS = 240, 6


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with URL lists of a web that is up, and a benchmark of three pictures, one of which is on the web."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "benchmark").mkdir()
    for i in (7, 1001, 1002):
        picture(i).resize((80, 60)).save(folder / "benchmark" / f"{i}.png")
    with served(site(folder / "site", PICTURES)) as base:
        url_lists(folder / "urls", base, PICTURES, LISTS)
        yield folder


@pytest.fixture(scope="module")
def whole(web: Path) -> dict[str, str]:
    """Content digests of an uninterrupted run."""
    return contents(run(_settings(web, "whole"), executor("local"), quiet))


def _file(web: Path, name: str) -> Path:
    return run_file(web / f"{name}.toml", web / name, f"{web}/urls/*.parquet", web / "benchmark")


def _settings(web: Path, name: str) -> runfile.RunFile:
    return runfile.load(str(_file(web, name)))


def test_the_uninterrupted_run_is_right(web: Path, whole: dict[str, str]) -> None:
    store = Store(str(web / "whole"))
    decisions = store.dataset("decisions").read_all().to_pylist()
    fates = [(d["rule"], d["status"]) for d in decisions]
    assert len(decisions) == PICTURES + LISTS == store.dataset("urls").read_all().num_rows
    assert fates.count(("status", "http_404")) == LISTS
    assert fates.count(("duplicate", "ok")) == PICTURES // 10
    assert [d["match_key"] for d in decisions if d["rule"] == "contamination"] == ["7"]
    assert verify_run(_settings(web, "whole"), store, lambda line: None) == []


def test_killed_five_times_and_resumed(web: Path, whole: dict[str, str]) -> None:
    """Each kill comes a random moment after the run has written a random number of its files."""
    chance = random.Random(5)
    files = len(_files(web / "whole"))
    for moment in sorted(chance.sample(range(1, files - 2), 5)):
        assert not _curate_run(web, "killed", kill_at=moment, then=chance.uniform(0, 0.05))
    assert _curate_run(web, "killed")
    assert contents(Store(str(web / "killed"))) == whole
    assert _files(web / "killed") == _files(web / "whole"), "drafts were left, or files are missing"


def _files(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and "report" not in path.parts}


def _curate_run(web: Path, name: str, kill_at: int = 10**9, then: float = 0) -> bool:
    """Run it in a process of its own, killed `then` s after it has `kill_at` files; True when it ended by itself."""
    command = [sys.executable, "-m", "curate", "run", str(_file(web, name))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while process.poll() is None:
            if len(_files(web / name)) >= kill_at:
                time.sleep(then)
                process.kill()
                return process.wait() == 0
            time.sleep(0.001)
        assert process.stdout
        assert process.returncode == 0, process.stdout.read()
    return True


def test_serial_and_ray_agree(web: Path, whole: dict[str, str], ray_session: None) -> None:
    del ray_session
    store = run(_settings(web, "ray"), executor("ray"), quiet)
    assert contents(store) == whole
    for part in store.dataset("clean").parts():
        ours, theirs = (Path(web, name, "clean", f"{part}.tar").read_bytes() for name in ("ray", "whole"))
        assert ours == theirs
