"""The clean shards are signed and searched again: what should not be there is an error that names it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from curate.errors import CurateError, PartsFailedError
from curate.executors import Serial
from curate.runner import run
from curate.stages.proof import proved
from curate.steps import dataset_names
from curate.steps.matches import Matches
from tests.pictures import rows, sign
from tests.runs import corpus, made, quiet, settings


def test_what_is_kept_is_proved_to_be_clean(tmp_path: Path) -> None:
    store = made(corpus(tmp_path), tmp_path / "run")
    proof, clean = (store.dataset(name).read_all(["key", "sha256"]) for name in ("proof", "clean"))
    assert len(proof) == 9
    assert proof.equals(clean)
    assert "proof" not in dataset_names(settings(tmp_path, tmp_path / "run", prove=False))
    assert "proof" not in dataset_names(settings(tmp_path, tmp_path / "run", benchmarks={}))


def test_a_match_in_a_clean_shard_is_an_error_that_names_the_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions that see no match keep all: the proof does not rest on them."""
    wanted = settings(corpus(tmp_path), tmp_path / "run")
    monkeypatch.setattr(Matches, "counted", _none)
    with pytest.raises(PartsFailedError, match=r"clean shard 00001 is not clean: `a6` shows drawn 00000:class0/0"):
        run(wanted, Serial(), quiet)


def _none(matches: Matches, part: str, columns: list[str] | None = None) -> pa.Table:
    return matches._store.dataset("contamination").read(part, columns).slice(0, 0)


def test_a_shard_that_is_not_what_was_kept_is_an_error() -> None:
    signed = sign({"a": b"", "b": b""})
    index = rows("clean", {"key": "a", "sha256": bytes(32)}).select(["key", "sha256"])
    with pytest.raises(CurateError, match="1 samples were kept and 2 are there; lost or changed: a, a, b"):
        proved(index, signed, rows("contamination"))
