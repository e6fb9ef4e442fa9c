"""Several trainings from several seeds: none is made twice, each has its own draws, and intervals are over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.pretrain import PretrainResult, pretrain
from curate.pretrain.result import Estimate, Probe
from curate.pretrain.state import read
from curate.pretrain.trainings import together
from curate.progress import Progress
from curate.report import write_report
from tests.pretrain.material import finished, loose, taught, trained
from tests.runs import settings

FEW: dict[str, Any] = {"steps": 8, "objective": "label", "label_field": "colour", "held_out": 0.3}


def probe(trained: float, untrained: float, raw: float) -> Probe:
    nets = {"raw pixels": raw, "untrained": untrained, "trained": trained}
    found = {net: Estimate(mean, mean - 0.1, mean + 0.1) for net, mean in nets.items()}
    return Probe("b", "linear", 4, 20, 1, 0.25, found, None)


def test_intervals_are_over_the_trainings_and_gains_are_paired() -> None:
    (found,) = together([[probe(0.45, 0.25, 0.4)], [probe(0.5, 0.3, 0.4)], [probe(0.55, 0.35, 0.4)]])
    assert found.trainings == 3
    seen = found.nets["trained"]
    assert (seen.mean, seen.low, seen.high) == pytest.approx((0.5, 0.5 - 0.124207, 0.5 + 0.124207), abs=1e-6)
    assert found.nets["raw pixels"] == Estimate(0.4, 0.4 - 0.1, 0.4 + 0.1)  # no training changes it
    assert found.gain is not None
    assert (found.gain.mean, found.gain.low, found.gain.high) == pytest.approx((0.2, 0.2, 0.2))


def test_one_training_is_left_as_it_is() -> None:
    one = [probe(0.5, 0.3, 0.4)]
    assert together([one]) == one


def test_without_an_untrained_net_there_is_no_gain() -> None:
    zero_shot = [Probe("b", "zero-shot", 4, 20, 1, 0.25, {"trained": Estimate(x, 0, 1)}, None) for x in (0.4, 0.6)]
    (found,) = together([[one] for one in zero_shot])
    assert found.nets["trained"].mean == pytest.approx(0.5)
    assert found.gain is None


def again(folder: Path, trainings: int) -> tuple[PretrainResult, list[Progress]]:
    """The same run once more, and what it told."""
    seen: list[Progress] = []
    store = finished(folder, anew=False, **FEW)
    tables = loose(trainings=trainings, **FEW)
    return pretrain(settings(folder, folder / "run", **tables), store, seen.append), seen


def test_no_training_is_made_twice_and_more_can_be_added(folder: Path) -> None:
    twice = trained(folder, trainings=2, **FEW)
    same, seen = again(folder, 2)
    assert (same.probe, sum(at.rows for at in seen)) == (twice.probe, 0)
    more, seen = again(folder, 3)
    assert [probe.trainings for probe in more.probe] == [3] * len(more.probe)
    last = seen[-1]
    assert (last.done, last.parts, last.unit, last.ended) == (3 * 8, 3 * 8, "steps", True)
    assert [(at.done, at.note.split(",")[0]) for at in seen[-3:-1]] == [(3 * 8, "training 3 of 3")] * 2
    assert last.rows == 8 * 16  # of the third alone


def test_the_first_is_kept_and_the_second_is_that_of_the_next_seed(folder: Path) -> None:
    twice = trained(folder, trainings=2, **FEW)
    second = read(finished(folder, anew=False, **FEW), seed=1)
    assert second is not None
    assert tuple(taught(folder, **FEW).curve.losses) == twice.losses
    assert taught(folder, seed=1, **FEW).curve.losses == second["curve"]["losses"]


def test_the_page_and_the_terminal_say_how_many(folder: Path) -> None:
    result = trained(folder, trainings=2, **FEW)
    store = finished(folder, anew=False, **FEW)
    page = Path(write_report(settings(folder, folder / "run", **loose(**FEW)), store)).read_text()
    assert "2 trainings of 8 steps each" in page
    assert "Means of 2 trainings" in page
    assert "2; speed and probes are of all" in str(list(result.__rich__().columns[1].cells))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.6, 0.7, "above chance and raw pixels"),
        (0.45, 0.7, "above chance, not told from raw pixels"),
        (0.3, 0.35, "above chance, below raw pixels"),
        (0.2, 0.7, "not told from chance"),
    ],
)
def test_the_page_judges_by_intervals_that_do_not_touch(folder: Path, low: float, high: float, said: str) -> None:
    trained(folder, **FEW)
    store = finished(folder, anew=False, **FEW)
    summary = store.read_json("pretrain", "summary.json")
    assert summary is not None
    (one, *_) = summary["probe"]
    one["nets"]["raw pixels"] = {"mean": 0.45, "low": 0.4, "high": 0.5}
    one["nets"]["trained"] = {"mean": (low + high) / 2, "low": low, "high": high}
    store.write_json({**summary, "probe": [one]}, "pretrain", "summary.json")
    page = Path(write_report(settings(folder, folder / "run", **loose()), store)).read_text()
    assert f"<td>{said}</td>" in page
