"""Settings of the sanity pretraining."""

from __future__ import annotations

from pydantic import Field, model_validator

from curate.config import Settings


class PretrainSettings(Settings):
    """A small ViT, images against captions, on the clean shards. As it stands here: about a minute on 2 cores."""

    image_size: int = Field(64, ge=8, description="side of the centre square that the model sees, px")
    patch: int = Field(8, ge=1, description="side of a patch, px")
    width: int = Field(128, ge=8, description="features of a token")
    depth: int = Field(4, ge=1, description="transformer blocks")
    heads: int = Field(4, ge=1, description="attention heads of a block")
    batch: int = Field(64, ge=2, description="samples a step; each caption is told from all others of its batch")
    steps: int = Field(200, ge=1, description="steps to train")
    seconds: float | None = Field(None, gt=0, description="stop training earlier than `steps` after so long, s")
    learning_rate: float = Field(1e-3, gt=0, description="peak of the schedule: a tenth of the steps up, a cosine down")
    shuffle: int = Field(4096, ge=1, description="samples in the shuffle buffer")
    shots: int = Field(5, ge=1, description="images a class that the few-shot probe fits on")
    seed: int = Field(0, ge=0, description="of the weights, the order of the samples and the crops")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")

    @model_validator(mode="after")
    def _fits(self) -> PretrainSettings:
        if self.image_size % self.patch:
            raise ValueError(f"patches of {self.patch} px do not tile {self.image_size} px")
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")
        return self
