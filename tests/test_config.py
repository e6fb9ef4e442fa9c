"""Settings: every fault at once with its path, and a hint for words that are nearly right."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from curate.config import Settings, parse, read_toml
from curate.errors import ConfigError
from curate.runfile import RunFile
from curate.stages.duplicates import DuplicatesSettings

MINIMAL: dict[str, Any] = {"out": "runs/x", "corpus": {"path": "*.tar"}}


def faults(**values: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(RunFile, {**MINIMAL, **values}, "run.toml")
    assert caught.value.where == "run.toml"
    return caught.value.faults


def test_minimal_run_file_is_accepted() -> None:
    assert parse(RunFile, MINIMAL, "run.toml").contamination.radius == 56


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"benchmark": {}}, "unknown key `benchmark`; did you mean `benchmarks`?"),
        ({"duplicates": {"radus": 3}}, "unknown key `duplicates.radus`; did you mean `radius`?"),
        ({"corpus": {"path": "x", "key_column": "k"}}, "unknown key `corpus.key_column`; did you mean `key_col`?"),
        (
            {"benchmarks": {"cats": {"path": "x", "fromat": "folder"}}},
            "unknown key `benchmarks.cats.fromat`; did you mean `format`?",
        ),
        (
            {"duplicates": {"zzz": 3}},
            f"unknown key `duplicates.zzz`; known: {', '.join(DuplicatesSettings.model_fields)}",
        ),
        ({"corpus": {}}, "`corpus.path`: field required"),
        ({"out": 3}, "`out`: input should be a valid string (given: 3)"),
        ({"contamination": {"radius": 129}}, "`contamination.radius`: input should be less than or equal to 128"
         " (given: 129)"),
        (
            {"signatures": {"embedding": "clip"}},
            "`signatures.embedding`: want none, detector, open_clip:MODEL/WEIGHTS, timm:MODEL/WEIGHTS or "
            "torchscript:FILE?side=PX (given: 'clip')",
        ),
        ({"benchmarks": {"a b": {"path": "x"}}}, "`benchmarks`: names are made of letters, digits, - and _, not 'a b'"),
    ],
)  # fmt: skip
def test_each_fault_has_its_path(values: dict[str, Any], fault: str) -> None:
    assert faults(**values) == (fault,)


def test_several_faults_at_once() -> None:
    found = faults(
        duplicates={"radus": 3, "min_similarity": "much"},
        benchmarks={"cats": {"fromat": "folder"}},
        decisions={"min_entropy": 9},
    )
    assert len(found) == 5
    places = ("duplicates.radus", "duplicates.min_similarity", "benchmarks.cats.path", "benchmarks.cats.fromat")
    assert all(any(f"`{place}`" in fault for fault in found) for place in (*places, "decisions.min_entropy"))


def test_given_values_are_shown_short() -> None:
    (fault,) = faults(out=["x" * 5000])
    assert len(fault) < 200


def test_a_setting_of_speed_leaves_the_recipe_alone() -> None:
    def recipe(**values: Any) -> dict[str, Any]:
        return parse(RunFile, {**MINIMAL, "signatures": values}, "run.toml").signatures.recipe()

    assert recipe(batch_size=1, device="cpu", num_cpus=4, num_gpus=1) == recipe()
    assert recipe(min_contrast=5) != recipe()


def test_settings_cannot_be_changed() -> None:
    settings: Settings = parse(RunFile, MINIMAL, "run.toml")
    with pytest.raises(ValueError, match="frozen"):
        settings.out = "elsewhere"  # type: ignore[attr-defined]


def test_a_config_error_survives_the_way_back_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("run.toml", ["one", "two"])))
    assert (error.where, error.faults) == ("run.toml", ("one", "two"))
    assert str(error) == "run.toml: 2 faults\n  - one\n  - two"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    bad, latin = tmp_path / "bad.toml", tmp_path / "latin.toml"
    bad.write_text("a = = 3")
    latin.write_bytes(b"a = '\xff'")
    for path, what in ((tmp_path / "none.toml", "no such file"), (tmp_path, "cannot be read"), (bad, "not TOML"),
                       (latin, "not TOML")):  # fmt: skip
        with pytest.raises(ConfigError, match=what):
            read_toml(str(path))
    good = tmp_path / "good.toml"
    good.write_text("[a]\nb = 1")
    assert read_toml(f"file://{good}") == {"a": {"b": 1}}
