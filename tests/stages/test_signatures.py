"""Signatures: one row a sample, one decode an image, the same whatever the batch."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
from PIL import Image

from curate.contracts import contract
from curate.errors import SourceError
from curate.ops import images
from curate.ops.digest import rows_digest
from curate.ops.images import Fault
from curate.ops.views import PREVIEW_AREA, QUARTERS
from curate.sources import Sample
from curate.stages.signatures import SignaturesSettings, Signer
from tests.pictures import draw, encode, image, png, sample, sign

INTEGERS = ["key", "status", "bytes", "width", "height", "phash_whole", "phash_square", "hash256_whole",
            "hash256_square", *(f"hash256_{quarter}" for quarter in QUARTERS), "thumbnail"]  # fmt: skip


def bitmaps() -> dict[str, bytes]:
    """Pictures whose bytes hold no compressor's choices."""
    return {f"k{i}": encode(draw(i, *size), "BMP") for i, size in enumerate([(128, 128), (256, 128), (64, 128)])}


def test_golden_digest() -> None:
    table = sign({**bitmaps(), "blank": encode(np.full((64, 64, 3), 9, np.uint8), "BMP"), "bad": b"none"})
    assert rows_digest(table.select(INTEGERS)) == "3156110ba43c6f02dab93f5dd7fd70a9401a2c9737f936f216dda57cd1f22a13"


def test_a_row_says_what_the_image_is() -> None:
    data = encode(image(1, 200, 100), "JPEG", exif=_turned())
    (row,) = sign({"k=a caption": data}).to_pylist()
    known = {"shard": "00000", "key": "k", "caption": "a caption", "status": "ok", "message": None, "format": "JPEG",
             "bytes": len(data), "sha256": hashlib.sha256(data).digest(), "width": 100, "height": 200,
             "embedding": None}  # fmt: skip
    assert {name: row[name] for name in known} == known
    assert 0 < row["entropy"] <= 8
    assert all(row[name] is not None for name in ("phash_whole", "hash256_square", "thumbnail", "contrast"))


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_phash_is_exchangeable_with_imagehash() -> None:
    """The 64-bit hash of our decode path against imagehash's own, of 64 bits."""
    apart = []
    for seed in range(12):
        data = encode(image(seed, 320, 240), "JPEG", quality=90)
        (ours,) = sign({"k": data})["phash_whole"].to_pylist()
        theirs = int(str(imagehash.phash(image(seed, 320, 240))), 16)
        apart.append((ours ^ theirs).bit_count())
    assert max(apart) <= 8
    assert np.mean(apart) <= 4


def test_blank_images_have_no_hash() -> None:
    table = sign({str(level): encode(np.full((90, 120), level, np.uint8)) for level in (0, 77, 255)})
    hashes = [name for name in table.column_names if "hash" in name]
    assert len(hashes) == 2 + 6
    for name in hashes:
        assert table[name].null_count == 3
    assert table["one_colour"].to_pylist() == [1, 1, 1]
    assert table["thumbnail"].null_count == table["preview"].null_count == 0
    assert sign({"k": png(1)}, min_contrast=120)["hash256_whole"].null_count == 1


BAD = {"empty": b"", "html": b"<html>", "svg": b"<svg/>", "cut": encode(image(1), "JPEG")[:900],
       "huge": encode(Image.new("1", (4000, 4000)))}  # fmt: skip


def test_bad_samples_are_rows_in_their_place() -> None:
    table = sign({"a": png(1), **BAD, "b": png(2)}, max_pixels=10**6)
    contract("signatures").check(table, "here")
    assert list(zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True)) == [
        ("a", "ok"), ("empty", "empty"), ("html", "not_an_image"), ("svg", "svg"), ("cut", "truncated"),
        ("huge", "too_many_pixels"), ("b", "ok"),
    ]  # fmt: skip
    assert table["width"].to_pylist() == [128, None, None, None, 128, 4000, 128]
    assert table["sha256"].null_count == 1
    lost = Sample("l", url="http://x", fault=Fault("http_404", "gone"))
    (row,) = Signer(SignaturesSettings(embedding="none"))("0", [lost]).to_pylist()
    assert (row["url"], row["status"], row["message"], row["sha256"]) == ("http://x", "http_404", "gone", None)


@pytest.mark.parametrize("pictures", [{}, BAD], ids=["empty", "all unreadable"])
def test_no_good_sample_at_all(pictures: dict[str, bytes]) -> None:
    table = sign(pictures, max_pixels=10**6)
    assert contract("signatures").check(table, "here").num_rows == len(pictures)
    assert table["thumbnail"].null_count == table["preview"].null_count == len(pictures)


def test_the_batch_size_changes_nothing() -> None:
    pictures = {**{f"k{i}": encode(image(i, 150, 100), "JPEG") for i in range(9)}, **BAD}
    whole = sign(pictures, max_pixels=10**6)
    for size in (1, 2, 7):
        assert sign(pictures, max_pixels=10**6, batch_size=size).equals(whole)


def test_a_preview_is_a_small_grey_jpeg_of_the_whole_picture() -> None:
    sizes = {"wide": (400, 300), "long": (1500, 100), "small": (50, 40)}
    table = sign({name: encode(image(1, *size), "JPEG") for name, size in sizes.items()})
    for name, data in zip(sizes, table["preview"].to_pylist(), strict=True):
        shown = Image.open(io.BytesIO(data))
        assert (shown.format, shown.mode) == ("JPEG", "L")
        assert shown.width * shown.height <= PREVIEW_AREA
        assert shown.width / shown.height == pytest.approx(sizes[name][0] / sizes[name][1], rel=0.05)
        small = image(1, *sizes[name]).convert("L").resize(shown.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(small, int) - np.asarray(shown, int)).mean() < 3
    assert shown.size == sizes["small"]  # never enlarged


def test_a_quarter_is_hashed_as_that_part_alone() -> None:
    whole = sign({"k": encode(draw(1, 256, 256), "BMP")})
    for name, (top, left) in zip(QUARTERS, ((0, 0), (0, 128), (128, 0), (128, 128)), strict=True):
        part = draw(1, 256, 256)[top : top + 128, left : left + 128]
        alone = sign({"k": encode(np.ascontiguousarray(part), "BMP")})
        assert whole[f"hash256_{name}"] == alone["hash256_whole"]


def test_each_image_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def counted(where: Any, name: str) -> None:
        real = getattr(where, name)

        def call(*args: Any, **options: Any) -> Any:
            decoded.append(name)
            return real(*args, **options)

        monkeypatch.setattr(where, name, call)

    counted(simplejpeg, "decode_jpeg")
    counted(images, "_decode_with_pillow")
    sign({"a": encode(image(1), "JPEG"), "b": png(2), "c": b"no", "d": encode(image(3), "JPEG", exif=_turned())})
    assert decoded == ["decode_jpeg", "_decode_with_pillow", "decode_jpeg"]


def test_a_batch_of_large_pictures_is_not_held_in_memory() -> None:
    """What is kept of a sample once it was looked at is some kilobytes, whatever its size."""
    signed = Signer(SignaturesSettings(embedding="none")).look(sample("k", encode(Image.new("L", (5000, 4000), 7))))
    assert signed.views is not None
    assert signed.views.nbytes == 6 * 64 * 64
    assert signed.prepared is None
    assert sum(len(v) for v in signed.row.values() if isinstance(v, bytes | str)) < 1000


def test_a_copy_has_nearly_the_same_hashes_and_another_picture_has_not() -> None:
    (a, b, c) = (np.frombuffer(h, np.uint8) for h in sign({
        "a": png(1, 256, 192), "b": encode(image(1, 256, 192).resize((128, 96)), "JPEG", quality=30),
        "c": png(2, 256, 192),
    })["hash256_whole"].to_pylist())  # fmt: skip
    assert np.bitwise_count(a ^ b).sum() <= 40
    assert np.bitwise_count(a ^ c).sum() > 90


# -- embeddings --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model's weights."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(timm.create_model("test_vit").state_dict(), path)
    return path


def vectors(table: pa.Table) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(table["embedding"].to_pylist(), np.float32)


def test_embeddings_are_of_unit_length_and_the_batch_size_changes_nothing(weights: Path) -> None:
    pictures = {f"k{i}": png(i, 200, 160) for i in range(9)}
    spec = f"timm:test_vit/{weights}"
    whole = vectors(sign({**pictures, **BAD}, embedding=spec, max_pixels=10**6).slice(0, 9))
    assert np.abs(np.linalg.norm(whole, axis=1) - 1).max() < 1e-2
    for size in (1, 7):
        assert np.abs(vectors(sign(pictures, embedding=spec, batch_size=size)) - whole).max() < 1e-2
    assert len({v.tobytes() for v in whole}) == 9


def test_the_shipped_detector_is_what_embeds_unless_said_otherwise() -> None:
    assert SignaturesSettings().embedding == "detector"
    pictures = {
        "a": png(1, 200, 160),
        "copy": encode(image(1, 200, 160), "JPEG", quality=80),
        "other": png(2, 200, 160),
    }
    sign_all = Signer(SignaturesSettings(max_pixels=10**6))
    table = sign_all("0", [sample(key, data) for key, data in {**pictures, **BAD}.items()])
    assert table["embedding"].null_count == len(BAD)
    a, copy, other = given = vectors(table.slice(0, 3))
    assert a @ copy > 0.9 > a @ other
    assert np.abs(vectors(sign(pictures, embedding="detector", batch_size=1)) - given).max() < 1e-2
    assert sign_all.facts["model"] == "detector"


def test_facts_say_which_model(weights: Path) -> None:
    facts = Signer(SignaturesSettings(embedding=f"timm:test_vit/{weights}")).facts
    assert facts["model"] == f"timm:test_vit/{weights}"
    assert len(facts["weights"]) == 64
    assert "Normalize" in facts["preprocessing"]
    assert Signer(SignaturesSettings(embedding=f"timm:test_vit/{weights}")).facts == facts
    assert Signer(SignaturesSettings(embedding="none")).facts == {}


def test_open_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    import open_clip
    import torch
    from safetensors.torch import save_file

    tiny = {"embed_dim": 16, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32,
                                               "patch_size": 16},
            "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 32, "heads": 1, "layers": 1}}  # fmt: skip
    (tmp_path / "tiny.json").write_text(json.dumps(tiny))
    open_clip.add_model_config(tmp_path / "tiny.json")
    torch.manual_seed(0)
    save_file(open_clip.create_model("tiny").state_dict(), tmp_path / "tiny.safetensors")
    table = sign({"a": png(1), "b": png(2)}, embedding=f"open_clip:tiny/{tmp_path}/tiny.safetensors")
    assert vectors(table).shape == (2, 16)
    assert np.linalg.norm(vectors(table), axis=1).tolist() == pytest.approx([1, 1], abs=1e-2)
    with pytest.raises(SourceError, match="say which weights"):
        Signer(SignaturesSettings(embedding="open_clip:tiny"))


def test_models_that_cannot_be_had_are_one_clear_error(weights: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    state = load_file(weights)
    save_file({n: t for n, t in state.items() if "blocks.0" not in n}, tmp_path / "half.safetensors")
    save_file({**state, "norm.weight": state["norm.weight"] * math.nan}, tmp_path / "nan.safetensors")
    torch.save({"state_dict": state, "run": Path}, tmp_path / "code.pt")
    (tmp_path / "garbage.safetensors").write_bytes(b"garbage")
    for spec, said in (
        ("timm:no_such_model/x.safetensors", "no_such_model"),
        ("timm:test_vit//nowhere.safetensors", "nowhere"),
        ("open_clip:no-such-model/openai", "no model 'no-such-model'"),
        (f"timm:test_vit/{tmp_path}/half.safetensors", r"has no blocks\.0"),
        (f"timm:test_vit/{tmp_path}/nan.safetensors", "`norm.weight` are not finite"),
        (f"timm:test_vit/{tmp_path}/code.pt", "UnpicklingError"),
        (f"timm:test_vit/{tmp_path}/garbage.safetensors", "garbage|[Hh]eader"),
    ):
        with pytest.raises(SourceError, match=said) as caught:
            Signer(SignaturesSettings(embedding=spec))
        assert "\n" not in str(caught.value)


def test_an_embedding_that_is_no_number_is_null_and_said(weights: Path) -> None:
    """The image is sound and its hashes hold: only its embedding is missing, with a message."""
    signer = Signer(SignaturesSettings(embedding=f"timm:test_vit/{weights}"))
    embed = signer.embed
    assert embed
    real = embed._forward
    embed._forward = lambda prepared: np.full_like(real(prepared), np.nan)
    (row,) = signer("0", [sample("k", png(1))]).to_pylist()
    assert (row["status"], row["embedding"], row["message"]) == ("ok", None, "the model gave no finite embedding")
    assert row["hash256_whole"] is not None
