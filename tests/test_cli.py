"""The command line as a stranger meets it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from curate import cli
from tests.runs import corpus

ROOT = Path(__file__).parent.parent


def curate(*words: str) -> tuple[int, str]:
    """Run the command line in a process of its own: exit code, and all it printed."""
    wide = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-m", "curate", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=wide)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = corpus(tmp_path_factory.mktemp("cli"))
    (folder / "run.toml").write_text(
        f'out = "{folder}/run"\n[corpus]\npath = "{folder}/corpus/*.tar"\n'
        f'[benchmarks.drawn]\npath = "{folder}/benchmark"\n[signatures]\nembedding = "none"\n[recall]\ncopies = 0\n'
    )
    code, said = curate("run", str(folder / "run.toml"))
    assert code == 0, said
    assert "decisions      2/2 parts, 14 rows" in said
    assert f"report: {folder}/run/report/index.html" in said
    return folder


def test_help_loads_nothing_heavy() -> None:
    code = "import sys\nfrom curate.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    heavy = "torch faiss ray open_clip timm openvino cv2 matplotlib pandas pyarrow".split()
    check = f"{code}print('LOADED', [m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check, "--help"], capture_output=True, text=True, timeout=60)
    assert "benchmarks" in done.stdout
    assert "LOADED []" in done.stdout


def test_running_without_a_gpu_stack_needs_no_torch() -> None:
    """Importing every stage and the runner loads no torch, OpenVINO, ray or faiss: they come with their work."""
    heavy = ("torch", "openvino", "faiss", "ray")
    check = f"import sys, curate.runner, curate.display; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_status_verify_explain(ran: Path) -> None:
    run = str(ran / "run")
    code, said = curate("status", run)
    assert code == 0
    assert "decisions" in said
    assert re.search(r"ok +│ +13 │ +92.86% │", said)
    assert re.search(r"truncated +│ +1 │ +7.14% │ the image data ends early", said)
    code, said = curate("review", run, "--summary")
    assert code == 0
    assert "0 of 2 drawn pairs are judged (sample 200, seed 0)" in said
    code, said = curate("verify", run)
    assert (code, "the promises hold" in said) == (0, True)
    code, said = curate("explain", run, "a6")
    assert code == 0
    assert "it shows drawn:class0/0" in said
    assert "near whole~whole+mirror, mirrored" in said
    assert "thumbnails" in said
    code, said = curate("explain", run, "00000:a7")
    assert "it repeats 00000:a0, which is kept" in said
    assert re.search(r"keeper_key +│? *a0", said)
    assert float(re.search(r"score +│? *([\d.]+)", said)[1]) >= float(re.search(r"threshold +│? *([\d.]+)", said)[1])  # type: ignore[index]
    code, said = curate("explain", run, "a0")
    assert "is kept" in said
    assert "dropped for this one" in said
    code, said = curate("explain", run, "zebra")
    assert (code, "no sample `zebra`" in said) == (1, True)


def test_verify_finds_a_flipped_byte_and_a_lost_tar(ran: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ran / "run", copy)
    tar = copy / "clean" / "00000.tar"
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    code, said = curate("verify", str(copy))
    assert code == 1
    assert "clean/00000.tar: not the bytes that were written" in said.replace("\n", "")
    tar.unlink()
    assert curate("verify", str(copy))[0] == 1


def test_errors_are_one_message_without_a_traceback(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(
        'out = "x"\n[corpus]\npath = "nowhere/*.tar"\n[signatures]\nembeding = "none"\nmax_pixels = "many"\n'
    )
    code, said = curate("run", str(bad))
    assert code == 1
    assert "2 faults" in said
    assert "did you mean `embedding`?" in said
    assert "Traceback" not in said
    bad.write_text(f'out = "{tmp_path}/x"\n[corpus]\npath = "nowhere/*.tar"\n')
    code, said = curate("run", str(bad))
    assert (code, "not found" in said, "Traceback" in said) == (1, True, False)
    assert curate("status", str(tmp_path / "none"))[0] == 1


def test_benchmarks_are_listed() -> None:
    code, said = curate("benchmarks")
    assert code == 0
    assert "cifar10" in said
    assert "10,000" in said


def test_every_command_has_help() -> None:
    assert cli.app.registered_commands
    for command in cli.app.registered_commands:
        assert command.callback is not None
        assert command.callback.__doc__
