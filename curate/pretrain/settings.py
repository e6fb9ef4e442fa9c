"""Settings of the sanity pretraining."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from curate.config import Settings

Objective = Literal["contrastive", "sigmoid", "label", "labels"]
Model = Literal["mu", "xs", "Ti", "S", "B", "L", "H"]


class CompareSettings(Settings):
    """The experiment `--compare`: what is planted, and how often each training is repeated."""

    shares: tuple[float, ...] = Field((0.3,), description="shares of the benchmarks' images planted, 0 to 0.3 each")
    copies: int = Field(4, ge=1, le=7, description="copies planted of each of these images, each edited otherwise")
    seeds: int = Field(5, ge=2, description="trainings of each kind; the same seeds for all kinds")
    subsets: tuple[float, ...] = Field((), description="second curve: shares of the clean samples trained on")
    models: tuple[Model, ...] = Field(("mu", "xs"), description="second curve: models trained on each subset")

    @model_validator(mode="after")
    def _fits(self) -> CompareSettings:
        if not self.shares or any(not 0 <= share <= 0.3 for share in self.shares):
            raise ValueError(f"shares lie between 0 and 0.3, not {list(self.shares)}")
        if any(not 0 < share <= 1 for share in self.subsets):
            raise ValueError(f"subsets lie above 0 and at most 1, not {list(self.subsets)}")
        return self


class PretrainSettings(Settings):
    """A small ViT on the clean shards, images against captions or labels. As it stands: about a minute on 2 cores."""

    how_not_what: ClassVar[frozenset[str]] = frozenset(
        [
            "seconds",
            "save_every",
            "readers",
            "hold",
            "stall",
            "workers",
            "trainings",
            "shots",
            "probe_seeds",
            "finetune_steps",
            "compare",
        ]
    )

    model: Model = Field("xs", description="widths as published; mu is 32 x 1 block, xs 128 x 4 blocks")
    image_size: int = Field(64, ge=8, description="side of the centre square that the model sees, px")
    patch: int = Field(8, ge=1, description="side of a patch, px")
    position: Literal["learned", "sincos2d"] = Field("learned", description="position embeddings")
    pool: Literal["avg", "token"] = Field("avg", description="what is read: the mean of the tokens, or a class token")
    stem: Literal["patch", "conv"] = Field(
        "patch", description="one linear map a patch, or 3x3 convolutions of stride 2"
    )

    objective: Objective = Field(
        "contrastive", description="captions by InfoNCE or by pairwise sigmoids; one label an image, or several"
    )
    label_field: str = Field("cls", description="where labels are: the member `cls`, or a field of the member `json`")
    held_out: float = Field(0.0, ge=0, lt=0.9, description="share of the clean samples never trained on, by content")
    shuffle: int = Field(4096, ge=1, description="samples in the shuffle buffer")
    mixup: float = Field(0.0, ge=0, description="alpha of mixup; label objectives only")
    randaugment: float = Field(0.0, ge=0, le=10, description="strength of random edits, 0 for none; 2 edits an image")

    batch: int = Field(64, ge=2, description="samples a step, all workers together")
    steps: int = Field(200, ge=1, description="steps to train")
    seconds: float | None = Field(None, gt=0, description="stop earlier than `steps` after so long, s")
    learning_rate: float = Field(1e-3, gt=0, description="peak of the schedule")
    schedule: Literal["cosine", "rsqrt"] = Field("cosine", description="rsqrt: reciprocal square root with cool-down")
    warm_up: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate grows linearly")
    cool_down: float = Field(0.2, ge=0, lt=1, description="rsqrt: share of the steps in which the rate falls to 0")
    weight_decay: float = Field(0.05, ge=0, description="of AdamW, on matrices only")
    clip: float = Field(1.0, gt=0, description="longest gradient")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the running average of weights that is kept; 0 for none")
    diverged: float = Field(3.0, gt=1, description="stop when the loss stays this many times above the first one")

    seed: int = Field(0, ge=0, description="of the weights, the order of the samples, the crops and the probes' draws")
    trainings: int = Field(1, ge=1, description="so many, from as many seeds; the first one's checkpoint is kept")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "bf16", "float32"] = Field("auto", description="auto: bf16 autocast on a GPU")
    compile: Literal["no", "inductor", "aot_eager"] = Field("no", description="compile the model, with which backend")
    workers: int = Field(1, ge=1, description="Ray Train workers, with --on; the batch is split among them")
    readers: int = Field(2, ge=1, description="threads that read batches ahead, a worker")
    hold: int = Field(256, ge=0, description="decoded pictures that are held in memory for the next epoch, MiB")
    stall: float = Field(120.0, gt=0, description="a batch that takes longer to read stops the training, s")
    save_every: int = Field(500, ge=1, description="steps between two checkpoints to resume from")

    shots: tuple[int, ...] = Field((1, 5, 10, 25), description="images a class that the few-shot probes fit on")
    probe_seeds: int = Field(3, ge=2, description="draws of each few-shot probe, a training")
    finetune_steps: int = Field(0, ge=0, description="steps of fine-tuning on 800 images a benchmark; 0 for none")
    compare: CompareSettings = CompareSettings()

    @property
    def captions(self) -> bool:
        """Whether captions are what is learned from."""
        return self.objective in ("contrastive", "sigmoid")

    @model_validator(mode="after")
    def _fits(self) -> PretrainSettings:
        if self.image_size % self.patch:
            raise ValueError(f"patches of {self.patch} px do not tile {self.image_size} px")
        if self.stem == "conv" and (self.patch < 2 or self.patch & (self.patch - 1)):
            raise ValueError(f"a stem of convolutions needs a patch of 2, 4, 8, ... px, not {self.patch}")
        if self.mixup and self.captions:
            raise ValueError("captions cannot be mixed: mixup needs an objective of labels")
        if self.batch % self.workers:
            raise ValueError(f"{self.workers} workers do not divide a batch of {self.batch}")
        if self.batch < 2 * self.workers:
            raise ValueError(f"a batch of {self.batch} leaves {self.workers} workers less than 2 samples each")
        return self
