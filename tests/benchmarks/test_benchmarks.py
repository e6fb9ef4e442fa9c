"""Benchmarks known by name: every one is found in each layout it comes in, and refused when it is not whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfFileSystem, constants
from PIL import Image
from rich.console import Console
from scipy.io import savemat
from torchvision import datasets

from curate import sources
from curate.benchmarks import VIEWS, BenchmarkSettings, check_count, check_views, known, placed
from curate.benchmarks.listing import looked
from curate.benchmarks.places import on_this_machine
from curate.benchmarks.presets import groups, members
from curate.benchmarks.whole import look
from curate.calibrate.command import Asked, calibrate
from curate.config import parse
from curate.contracts import contract
from curate.errors import ConfigError, SourceError
from curate.sources import Sample
from curate.stages.contamination import ContaminationSettings
from curate.stages.signatures import SignaturesSettings
from tests.benchmarks.hub import COMMIT, hub
from tests.pictures import draw, png, write_tar
from tests.runs import corpus, made
from tests.sources.test_sources import tfds

PICTURES = [png(i, 40, 30) for i in range(4)]
KEYS = [f"s{i:07d}" for i in range(4)]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own: an empty folder of benchmarks, an empty cache, and a hub that nobody serves."""
    root = tmp_path / "machine"
    (root / "benchmarks").mkdir(parents=True)
    monkeypatch.setenv("CURATE_BENCHMARKS", str(root / "benchmarks"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    HfFileSystem.clear_instance_cache()
    return root


def wds(folder: Path, split: str = "test", tars: int = 2, form: str = "webp") -> Path:
    """Lay four pictures out as CLIP benchmark's copies are."""
    (folder / split).mkdir(parents=True)
    for n in range(tars):
        some = list(enumerate(PICTURES))[n::tars]
        members = {f"s{i:07d}.{end}": data for i, image in some for end, data in (("cls", b"7"), (form, image))}
        write_tar(folder / split / f"{n}.tar", members)
    (folder / split / "nshards.txt").write_text(f"{tars}\n")
    (folder / "classnames.txt").write_text("cat\n")
    return folder


def settings(name: str, **given: Any) -> BenchmarkSettings:
    (where,) = placed({name: given}).values()
    return parse(BenchmarkSettings, where, name)


def read(name: str, **given: Any) -> list[Sample]:
    return [sample for shard in sources.find(settings(name, **given)) for sample in sources.read(shard)]


# -- what is known -----------------------------------------------------------------------------------------------


def test_vtab_has_its_19_tasks_on_16_sets_of_images() -> None:
    some = [known()[name] for name in members("vtab")]
    assert len(some) == 16
    assert sum(len(b.tasks) or 1 for b in some) == 19
    assert members("clevr_count") == members("clevr-distance") == members("CLEVR") == ("clevr",)
    assert members("oxford_flowers102") == ("oxford-flowers102",)
    assert members("imagenet-1k-train") == ("imagenet-1k-train",)
    assert members("vtab-train")[0] == "caltech101-train"
    assert members("cats") == ()
    assert "imagenet-family" in groups()


def test_every_preset_says_how_many_labels_and_which_rows() -> None:
    for name, b in known().items():
        assert (b.classes is None) == bool(b.tasks), name
        if b.tfds and b.tfds.rows:
            assert b.tfds.rows[1] - b.tfds.rows[0] == b.images, name
    assert not set(groups()) & set(known())


# -- where they are ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", known())
def test_every_preset_is_read_from_a_copy_of_the_hubs(name: str, machine: Path) -> None:
    wds(machine / "benchmarks" / known()[name].hub.rpartition("/")[2])
    samples = read(name)
    assert sorted(s.key for s in samples) == KEYS
    assert {s.label for s in samples} == {"7"}
    assert sorted(s.image or b"" for s in samples) == sorted(PICTURES)
    found = look(name, settings(name))
    assert found.images == 4
    assert len(found.faults) == 1
    assert f"benchmark `{name}` has 4 images; the {known()[name].split} split of" in found.faults[0]


@pytest.mark.parametrize("name", [name for name, b in known().items() if b.tfds])
def test_presets_are_read_from_tfds(name: str, machine: Path) -> None:
    told = known()[name].tfds
    assert told
    tfds(machine / "benchmarks" / told.name / "1.0.0", told.split, [PICTURES[:3], PICTURES[3:]])
    if told.rows:  # of four pictures there are no such rows; that they are asked for is what counts
        with pytest.raises(SourceError, match=rf"`rows` = \[{told.rows[0]}, {told.rows[1]}\] of 4 rows"):
            read(name)
        return
    assert [(s.key, s.image) for s in read(name)] == list(zip(KEYS, PICTURES, strict=True))


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def cifar(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR in Python's pickles, of four pictures; torchvision takes their digests for the true ones."""
    kind = getattr(datasets, name)
    folder = root / str(kind.base_folder)
    folder.mkdir(parents=True)
    pixels = np.stack([draw(i, 32, 32).transpose(2, 0, 1).reshape(-1) for i in range(4)])
    files = {"train": [f for f, _ in kind.train_list], "test": [f for f, _ in kind.test_list]}
    for file in files["train"] + files["test"]:
        labels = {"labels" if name == "CIFAR10" else "fine_labels": [3, 1, 4, 1]}
        (folder / file).write_bytes(pickle.dumps({"data": pixels, **labels}))
    names = {kind.meta["key"]: ["cat", "dog"]}
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps(names))
    for split, listed in files.items():
        monkeypatch.setattr(kind, f"{split}_list", [[file, _md5(folder / file)] for file in listed])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": _md5(folder / kind.meta["filename"])})
    return folder


def pixels_of(sample: Sample) -> list[Any]:
    with Image.open(io.BytesIO(sample.image or b"")) as image:
        listed: list[Any] = np.asarray(image).tolist()
    return listed


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_cifars_own_files(name: str, kind: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cifar(machine / "benchmarks", kind, monkeypatch)
    samples = read(name)
    assert [(s.key, s.label) for s in samples] == list(zip(KEYS, "3141", strict=True))
    assert [pixels_of(s) for s in samples] == [draw(i, 32, 32).tolist() for i in range(4)]
    assert len(read(f"{name}-train")) == 4 * len(getattr(datasets, kind).train_list)
    assert placed({name: settings(name).model_dump()})[name]["path"] == str(folder)
    before = sources.find(settings(name))[0].digest
    with (folder / getattr(datasets, kind).test_list[0][0]).open("ab") as file:
        file.write(b"more")
    assert sources.find(settings(name))[0].digest != before
    with pytest.raises(SourceError, match=rf"torchvision's {kind}: Dataset not found or corrupted; fetch it again"):
        read(name)


def test_svhns_own_file(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.stack([draw(i, 32, 32) for i in range(4)], axis=3)
    file = machine / "benchmarks" / "svhn" / "test_32x32.mat"
    file.parent.mkdir()
    savemat(file, {"X": pixels, "y": np.array([[10], [2], [3], [4]], np.uint8)})
    monkeypatch.setattr(datasets.SVHN, "split_list", {"test": ["", file.name, _md5(file)]})
    samples = read("svhn")
    assert [(s.key, s.label) for s in samples] == list(zip(KEYS, "0234", strict=True))
    assert [pixels_of(s) for s in samples] == [draw(i, 32, 32).tolist() for i in range(4)]


def test_flowers_own_files(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine / "benchmarks" / "flowers-102"
    (folder / "jpg").mkdir(parents=True)
    for i, image in enumerate(PICTURES):
        (folder / "jpg" / f"image_{i + 1:05d}.jpg").write_bytes(image)
    savemat(folder / "setid.mat", {"trnid": [[1]], "valid": [[2]], "tstid": [[3, 4]]})
    savemat(folder / "imagelabels.mat", {"labels": [[5, 6, 7, 8]]})
    files = {"setid": "setid.mat", "label": "imagelabels.mat"}
    told = {name: (file, _md5(folder / file)) for name, file in files.items()}
    monkeypatch.setattr(datasets.Flowers102, "_file_dict", {"image": ("", ""), **told})
    samples = read("oxford-flowers102")
    assert [s.label for s in samples] == ["6", "7"]
    assert [pixels_of(s) for s in samples] == [draw(i, 40, 30).tolist() for i in (2, 3)]


@pytest.mark.parametrize("name", [name for name, b in known().items() if b.torchvision and not b.torchvision.dataset])
def test_presets_are_read_from_torchvisions_folders(name: str, machine: Path) -> None:
    told = known()[name].torchvision
    assert told
    root = machine / "benchmarks" / ("" if told.listed else name)
    for key, image in zip("abcd", PICTURES, strict=True):
        (root / told.images / "cats").mkdir(parents=True, exist_ok=True)
        (root / told.images / "cats" / f"{key}.png").write_bytes(image)
    if told.listed:
        (root / told.listed).parent.mkdir(parents=True)
        (root / told.listed).write_text("cats/b.png 1 1\ncats/d 2 1\n")
    assert [s.key for s in read(name)] == (["cats/b", "cats/d"] if told.listed else [f"cats/{k}" for k in "abcd"])


def test_a_path_may_be_a_copys_root_its_parquet_or_anything(machine: Path, tmp_path: Path) -> None:
    root = wds(tmp_path / "copy")
    assert len(read("svhn", path=str(root))) == len(read("svhn", path=str(root / "test"))) == 4
    assert len(read("svhn", path=f"{root}/test/0.tar")) == 2
    images = [{"bytes": image, "path": "x"} for image in PICTURES]
    (tmp_path / "parquet" / "data").mkdir(parents=True)
    pq.write_table(pa.table({"image": images, "label": [1] * 4}), tmp_path / "parquet/data/test-00000-of-00001.parquet")
    assert [s.image for s in read("cifar100", path=str(tmp_path / "parquet"))] == PICTURES
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.png").write_bytes(PICTURES[0])
    assert [s.key for s in read("svhn", path=str(tmp_path / "folder"))] == ["a"]
    assert settings("mine", path="x").path == "x"


def test_a_train_split_has_its_own_name_and_role(machine: Path) -> None:
    copy = wds(machine / "benchmarks" / "cifar10")
    assert settings("cifar10").role == "test"
    with pytest.raises(SourceError, match=r"cifar10/train: nothing there; beside it: classnames\.txt, test"):
        read("cifar10-train")
    wds(copy, "train", tars=1)
    assert len(read("cifar10-train")) == 4
    assert (settings("cifar10-train").role, settings("cifar10-train", path="x").role) == ("train", "train")
    assert settings("cifar10-train", role="test").role == "test"
    assert settings("cifar10_train", path=str(copy)).path == str(copy / "train")
    for name in ("cifar10-train", "cifar10_train"):
        check_count(name, 50_000)


def test_a_group_may_have_a_folder_of_its_own(tmp_path: Path) -> None:
    wds(tmp_path / "own" / "wds_vtab-dtd")
    named = placed({"vtab": {"path": f"{tmp_path}/own"}, "imagenet-family": {"path": "s3://bucket"}})
    assert named["dtd"] == {"path": f"{tmp_path}/own/wds_vtab-dtd/test"}
    assert named["svhn"] == {"path": f"{tmp_path}/own/svhn"}
    assert named["imagenet-a"] == {"path": "s3://bucket/imagenet-a"}
    assert set(named) == {*members("vtab"), *members("imagenet_family")}


def test_groups_are_resolved_and_options_given_to_each(machine: Path) -> None:
    named = placed({"vtab": {"max_bytes": 9}, "clevr-count": {}, "clevr-distance": {}, "mine": {"path": "x"}})
    assert list(named) == [*members("vtab"), "mine"]
    assert named["dtd"] == {"path": "hf://datasets/clip-benchmark/wds_vtab-dtd/test", "max_bytes": 9}
    assert placed({"cats": {"fromat": 1}, "dogs": 3}) == {"cats": {"fromat": 1}, "dogs": 3}
    assert placed(named) == named  # a run's own settings, read back
    wds(machine / "benchmarks" / "dtd")
    (machine / "benchmarks" / "imagenet-1k" / "val").mkdir(parents=True)
    (machine / "benchmarks" / "imagenet-1k" / "test").mkdir()  # the unlabelled one
    named = placed({"dtd": {}, "imagenet-1k": {}})
    assert [Path(where["path"]).name for where in named.values()] == ["test", "val"]
    assert placed(named) == named


# -- the hub -----------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub that serves `wds_vtab-svhn`, and what it serves."""
    root = wds(tmp_path / "hub" / "clip-benchmark" / "wds_vtab-svhn")
    with hub(tmp_path / "hub") as endpoint:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield root
        HfFileSystem.clear_instance_cache()


def test_a_benchmark_is_read_from_the_hub(served: Path) -> None:
    assert settings("svhn").path == "hf://datasets/clip-benchmark/wds_vtab-svhn/test"
    assert on_this_machine("svhn") is None
    samples = read("svhn")
    assert sorted((s.key, s.image) for s in samples) == sorted(zip(KEYS, PICTURES, strict=True))


def test_the_hubs_cache_is_the_same_as_the_hub(served: Path, machine: Path) -> None:
    remote = sources.find(settings("svhn"))
    repo = machine / "cache" / "datasets--clip-benchmark--wds_vtab-svhn"
    snapshot = repo / "snapshots" / COMMIT / "test"
    for folder in (snapshot, repo / "blobs", repo / "refs"):
        folder.mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    for file in (served / "test").iterdir():
        blob = repo / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(f"../../../blobs/{blob.name}")
    assert settings("svhn").path == str(snapshot)
    local = sources.find(settings("svhn"))
    assert [(s.name, s.digest) for s in local] == [(s.name, s.digest) for s in remote]
    assert len(look("svhn", settings("svhn")).faults) == 1
    blob = (snapshot / "1.tar").resolve()
    blob.write_bytes(blob.read_bytes().replace(b"cls", b"cla", 1))
    assert "1.tar: its sha256 is " in look("svhn", settings("svhn")).faults[0]
    (snapshot / "1.tar").unlink()
    with pytest.raises(SourceError, match=r"not found: .*1\.tar"):
        read("svhn")


def test_parquet_on_the_hub_is_read_too(served: Path) -> None:
    images = [{"bytes": image, "path": None} for image in PICTURES]
    (served.parent / "cifar10" / "plain_text").mkdir(parents=True)
    table = pa.table({"img": images, "label": [3, 1, 4, 1]})
    pq.write_table(table, served.parent / "cifar10" / "plain_text" / "test-00000-of-00001.parquet")
    samples = read("cifar10", path="hf://datasets/clip-benchmark/cifar10/plain_text/test-*.parquet")
    assert [(s.label, s.image) for s in samples] == list(zip("3141", PICTURES, strict=True))


def test_a_hub_that_is_out_of_reach_or_has_no_such_thing_is_one_line(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=r"svhn/train: nothing there; beside it: classnames\.txt, test"):
        read("svhn-train")
    with pytest.raises(SourceError, match=r"wds_vtab-dtd/test: nothing there$"):
        read("dtd")
    shards = sources.find(settings("svhn"))
    (served / "test" / "1.tar").unlink()
    with pytest.raises(SourceError, match=r"svhn/test/1\.tar: the hub gave nothing: .*404"):
        list(sources.read(shards[1]))
    (served / "test" / "nshards.txt").write_text("<html>")
    HfFileSystem.clear_instance_cache()
    with pytest.raises(SourceError, match=r"nshards\.txt: it says '<html>', not how many tars there are"):
        read("svhn")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    HfFileSystem.clear_instance_cache()
    with pytest.raises(SourceError, match=r"the hub gave nothing: .*; try again, or give a `path`") as caught:
        read("svhn")
    assert "\n" not in str(caught.value)


# -- whole or not ------------------------------------------------------------------------------------------------


def test_a_half_downloaded_benchmark_is_refused(machine: Path) -> None:
    copy = wds(machine / "benchmarks" / "svhn")
    tar = copy / "test" / "1.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[: len(whole) // 2])
    broken, count = look("svhn", settings("svhn")).faults
    assert "of shard `1` cannot be read (shard_broken: " in broken
    assert "images; the test split of" in count
    tar.unlink()
    assert look("svhn", settings("svhn")).faults == (f"not found: {tar}",)


def test_a_corrupt_image_is_named(machine: Path) -> None:
    members = {f"{key}.png": image for key, image in zip(KEYS, PICTURES, strict=True)}
    members["s0000002.png"] = PICTURES[2][:-60]
    (machine / "benchmarks" / "dtd" / "test").mkdir(parents=True)
    write_tar(machine / "benchmarks/dtd/test/0.tar", members)
    (machine / "benchmarks/dtd/test/nshards.txt").write_text("1")
    first, _ = look("dtd", settings("dtd")).faults
    assert first.startswith("benchmark `dtd`: image `s0000002` of shard `0` cannot be read (truncated")
    assert first.endswith("Fetch it again; to search what can be read, give it another name.")


def views(name: str, **statuses: str) -> list[pa.Table]:
    """Parts of `views`, two rows an image."""
    rows = [{"benchmark": name, "shard": "0", "key": key, "status": status, "message": None, "view": view}
            for key, status in statuses.items() for view in ("whole", "square")]  # fmt: skip
    schema = contract("views").only(VIEWS).schema
    return [pa.Table.from_pylist([{n: row[n] for n in VIEWS} for row in rows], schema), schema.empty_table()]


def test_a_run_refuses_what_is_not_whole() -> None:
    check_views(["mine"], views("mine", a="ok", b="truncated"))
    with pytest.raises(SourceError, match="benchmark `mine` has no images"):
        check_views(["mine"], views("other", a="ok"))
    with pytest.raises(SourceError, match=r"`dtd`: image `b` of shard `0` cannot be read \(truncated\), and 1 more"):
        check_views(["dtd"], views("dtd", a="ok", b="truncated", c="empty"))
    with pytest.raises(SourceError, match=r"has 27,000 images.* 5,400\. .*`rows` = \[21600, 27000\] in the order of"):
        check_count("eurosat", 27_000)
    for images in (108_754, 21_750):
        check_count("sun397", images)


# -- in a run, and on the command line ---------------------------------------------------------------------------


def test_a_match_with_a_train_split_is_told_and_drops_nothing(tmp_path: Path) -> None:
    folder = corpus(tmp_path)
    found = {}
    for role in ("test", "train"):
        store = made(folder, folder / role, benchmarks={"drawn": {"path": f"{folder}/benchmark", "role": role}})
        found[role] = store.dataset("contamination").read_all().num_rows
        rules = store.dataset("decisions").read_all(["rule"])["rule"].to_pylist()
        assert rules.count("contamination") == (found[role] if role == "test" else 0)
    assert found["train"] == found["test"] == 2


def test_a_run_that_says_no_more_than_a_name(tmp_path: Path) -> None:
    """The test split of four pictures is read from the hub and refused; a train split has no count to be held to."""
    folder = corpus(tmp_path)
    for split in ("test", "train"):
        wds(tmp_path / "hub" / "clip-benchmark" / "wds_vtab-dtd", split)
    env = {**os.environ, "HF_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    for name, code, line in (("dtd", 1, "benchmark `dtd` has 4 images"), ("dtd-train", 0, "contamination  2/2 parts")):
        (tmp_path / "run.toml").write_text(
            f'out = "{tmp_path}/{name}"\n[corpus]\npath = "{folder}/corpus/*.tar"\n[benchmarks.{name}]\n'
            '[signatures]\nembedding = "none"\n[recall]\ncopies = 0\n'
        )
        with hub(tmp_path / "hub") as endpoint:
            command = [sys.executable, "-m", "curate", "run", str(tmp_path / "run.toml")]
            told = {**env, "HF_ENDPOINT": endpoint}
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=told)
        assert (done.returncode, line in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_without_its_client_the_hub_is_not_read_and_the_rest_works(tmp_path: Path) -> None:
    code = "import sys; sys.modules['huggingface_hub'] = None; from curate.cli import main; main()"
    command = [sys.executable, "-c", code, "benchmarks"]
    done = [subprocess.run([*command, *w], capture_output=True, text=True, timeout=60) for w in ([], ["svhn"])]
    assert [one.returncode for one in done] == [0, 1]
    said = "hf://datasets/clip-benchmark/wds_vtab-svhn/test: to read from the hub, pip install 'curate[hub]'\n"
    assert done[1].stderr == said


def test_a_calibration_takes_names_too(machine: Path) -> None:
    wds(machine / "benchmarks" / "dtd")
    hashes = SignaturesSettings(embedding="none")
    asked = Asked(["dtd"], None, 1e-6, 1, str(machine / "out"), hashes, ContaminationSettings())
    with pytest.raises(SourceError, match=r"benchmark `dtd` has 4 images; the test split of Describable Textures"):
        calibrate(Console(), asked)
    with pytest.raises(ConfigError, match="--benchmark clevr is given twice"):
        calibrate(Console(), asked._replace(benchmarks=["clevr-count", "clevr"]))


def test_the_list_and_a_look(machine: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no `cats` is known; see the list, or say cats=PATH"):
        list(looked(["cats"]))
    (tmp_path / "a.png").write_bytes(PICTURES[0])
    assert list(looked([f"cats={tmp_path}"])) == [(f"cats: 1 images, whole: {tmp_path}", True)]
    wds(machine / "benchmarks" / "wds_vtab-clevr_count_all")
    lines = list(looked(["clevr-count", "clevr-distance"]))
    assert [good for _, good in lines] == [False]
    assert json.dumps(lines).count("benchmark `clevr` has 4 images") == 1
