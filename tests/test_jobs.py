"""The same run as a Ray job: a real Ray head on loopback, and `ray job submit`, as on a cluster."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.store import Store
from tests.runs import contents, corpus, made

ROOT = Path(__file__).parent.parent
RAY = Path(sys.executable).parent / "ray"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A Ray head started for this test and ended after it: its job address, and the environment with its token."""
    port, dashboard = _free_port(), _free_port()
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environment.pop("RAY_ADDRESS", None)
    where = [
        f"--port={port}",
        "--node-ip-address=127.0.0.2",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard}",
    ]
    # every Ray's agent wants the same port of 127.0.0.1, and the session's own Ray may have it
    where.append(f"--dashboard-agent-listen-port={_free_port()}")
    size = ["--num-cpus=2", f"--object-store-memory={300 * 2**20}", f"--temp-dir={_short(tmp_path)}", "--block"]
    process = subprocess.Popen([str(RAY), "start", "--head", *where, *size], env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_for(dashboard)
        yield f"http://127.0.0.1:{dashboard}", environment
    finally:
        process.terminate()  # --block: the head ends its own children, and only those
        process.wait(60)


def _wait_for(port: int) -> None:
    """Until it is listened to: asking takes a millisecond, a `ray job submit` that finds nobody several seconds."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def _short(tmp_path: Path) -> str:
    """Ray's sockets lie below its temporary folder, and a socket's path has at most 107 bytes."""
    link = Path("/tmp") / f"r{secrets.token_hex(3)}"
    link.symlink_to(tmp_path)
    return str(link)


@pytest.mark.timeout(420)
def test_a_run_submitted_as_a_job_gives_what_a_local_run_gives(
    tmp_path: Path, head: tuple[str, dict[str, str]]
) -> None:
    address, environment = head
    folder = corpus(tmp_path / "data")
    run_file = tmp_path / "run.toml"
    run_file.write_text(
        f'out = "{folder}/job"\n[corpus]\npath = "{folder}/corpus/*.tar"\n'
        f'[benchmarks.drawn]\npath = "{folder}/benchmark"\n'
        '[signatures]\nembedding = "none"\n[recall]\ncopies = 0\n[clean]\nsamples_per_shard = 4\n'
    )
    command = [str(RAY), "job", "submit", "--address", address, "--", sys.executable]
    command += [str(ROOT / "jobs" / "curate_corpus.py"), str(run_file)]
    done = _submit(command, environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert contents(Store(f"{folder}/job")) == contents(made(folder, folder / "local"))
    shutil.rmtree(folder / "job")


def _submit(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Submit, again while the head is not up yet."""
    deadline = time.monotonic() + 90
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        if done.returncode == 0 or time.monotonic() > deadline or "submitted successfully" in done.stdout:
            return done
        time.sleep(1)
