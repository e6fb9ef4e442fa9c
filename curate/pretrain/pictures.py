"""Pictures of a training and of what the net has learned, as PNG; they stand on a light and on a dark page."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from timm.models.vision_transformer import VisionTransformer

from curate.pretrain.checkpoint import frozen
from curate.pretrain.model import attentions
from curate.pretrain.settings import PretrainSettings
from curate.pretrain.state import Curve

Pixels = NDArray[np.uint8]

SHOWN = 64
"""Pictures that the net is looked at with; nearest neighbours are looked for among them."""
_ROWS = 6
"""Pictures in a table of them."""
_FILTERS = 64
BEFORE, AFTER, GREY = "#c2562d", "#3f86d8", "#808891"


def draw(
    curve: Curve, settings: PretrainSettings, before: VisionTransformer, after: VisionTransformer, shown: Pixels
) -> dict[str, bytes]:
    """All pictures by name; `shown` (N, S, S, 3) uint8 are samples, and few of them give fewer pictures."""
    done = {
        "loss": loss(curve),
        "filters": filters(after),
        "positions": positions(after, settings),
    }
    if len(shown) >= 2:
        done["distances"] = distances(before, after, shown[:_ROWS], settings)
        done["attention"] = attention(after, shown[:_ROWS], settings)
        done["neighbours"] = neighbours(before, after, shown)
    return done


def loss(curve: Curve) -> bytes:
    """Loss over the steps, with its running mean over a twentieth of them, and learning rate."""

    def fill(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="step", ylabel="loss")
        steps = range(1, len(curve.losses) + 1)
        window = max(1, len(curve.losses) // 20)
        axes.plot(steps, curve.losses, color=AFTER, linewidth=0.8, alpha=0.45)
        axes.plot(steps[window - 1 :], np.convolve(curve.losses, np.full(window, 1 / window), "valid"), color=AFTER)
        soften(axes)
        rates = axes.twinx()
        rates.plot(steps, curve.rates, color=GREY, linewidth=1, linestyle="--")
        rates.set_ylabel("learning rate (dashed)")
        rates.set_ylim(bottom=0)
        soften(rates)

    return png(fill, (7, 3))


def filters(net: VisionTransformer) -> bytes:
    """The first filters of the patch embedding, or of the stem, each stretched to its own range."""
    first = next(layer for layer in net.patch_embed.modules() if isinstance(layer, torch.nn.Conv2d))
    weights = first.weight.detach().float().cpu().numpy()[:_FILTERS].transpose(0, 2, 3, 1)
    low, high = weights.min(axis=(1, 2, 3), keepdims=True), weights.max(axis=(1, 2, 3), keepdims=True)
    tiles = (weights - low) / np.maximum(high - low, 1e-12)
    return png(lambda figure: _tiles(figure, list(tiles), columns=16), (7, 7 / 16 * -(-len(tiles) // 16)))


def positions(net: VisionTransformer, settings: PretrainSettings) -> bytes:
    """Cosine of each patch's position embedding with all others, laid out as the patches are; at most 8 x 8 of them."""
    patches = net.pos_embed.detach().float().cpu()[0, int(settings.pool == "token") :]
    unit = torch.nn.functional.normalize(patches, dim=-1)
    side = settings.image_size // settings.patch
    maps = (unit @ unit.T).reshape(side, side, side, side).numpy()
    at = np.unique(np.linspace(0, side - 1, min(side, 8)).round().astype(int))
    tiles = [maps[y, x] for y in at for x in at]
    return png(lambda figure: _tiles(figure, tiles, columns=len(at), cmap="viridis", vmin=-1, vmax=1), (5, 5))


def distances(before: VisionTransformer, after: VisionTransformer, shown: Pixels, settings: PretrainSettings) -> bytes:
    """Mean attention distance of every head by depth, before and after training."""

    def fill(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="block", ylabel="mean attention distance, px")
        for net, colour, name in ((before, BEFORE, "before"), (after, AFTER, "after")):
            found = attention_distances(net, shown, settings)
            depth = np.repeat(np.arange(1, len(found) + 1), found.shape[1])
            axes.scatter(depth, found.ravel(), color=colour, s=16, label=name)
        axes.legend(labelcolor=GREY, frameon=False)
        axes.set_xticks(range(1, len(after.blocks) + 1))
        soften(axes)

    return png(fill, (7, 3))


def attention_distances(net: VisionTransformer, shown: Pixels, settings: PretrainSettings) -> NDArray[np.float64]:
    """How far each head looks: mean distance of query and key, weighted by attention, (depth, heads) px."""
    side, skip = settings.image_size // settings.patch, int(settings.pool == "token")
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1).reshape(-1, 2)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) * settings.patch
    found = []
    for weights in _attentions(net, shown):
        among = weights[:, :, skip:, skip:]
        among = among / among.sum(axis=-1, keepdims=True)
        found.append((among * apart).sum(axis=-1).mean(axis=(0, 2)))
    return np.array(found)


def attention(net: VisionTransformer, shown: Pixels, settings: PretrainSettings) -> bytes:
    """Samples, and where the last block looks: from the class token if there is one, else from all patches."""
    last = _attentions(net, shown)[-1].mean(axis=1)
    looks = last[:, 0, 1:] if settings.pool == "token" else last.mean(axis=1)
    side = settings.image_size // settings.patch
    maps = [look.reshape(side, side).repeat(settings.patch, 0).repeat(settings.patch, 1) for look in looks]
    bright = [np.repeat((look / look.max())[..., None], 3, axis=-1) for look in maps]
    return png(lambda figure: _tiles(figure, [*shown, *bright], columns=len(shown)), (7, 7 / len(shown) * 2))


def neighbours(before: VisionTransformer, after: VisionTransformer, shown: Pixels) -> bytes:
    """A sample a row: itself, its three nearest of the samples before training, and its three nearest after."""
    near = [_nearest(frozen(net)(shown)) for net in (before, after)]
    rows = range(min(_ROWS, len(shown)))
    count = near[0].shape[1]
    blank = np.full_like(shown[0], 128)
    tiles = [t for row in rows for t in (shown[row], *shown[near[0][row]], blank, *shown[near[1][row]])]
    return png(lambda figure: _tiles(figure, tiles, columns=2 * count + 2), (7, 7 / (2 * count + 2) * len(rows)))


def _nearest(x: NDArray[np.float64]) -> NDArray[np.int64]:
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, : min(3, len(x) - 1)]


def _attentions(net: VisionTransformer, shown: Pixels) -> list[NDArray[np.float64]]:
    """Of every block, (B, heads, T, T)."""
    net.eval()
    with torch.inference_mode():
        pixels = torch.from_numpy(np.ascontiguousarray(shown)).to(net.pos_embed.device)
        return [weights.double().cpu().numpy() for weights in attentions(net, pixels)]


def _tiles(figure: Figure, tiles: list[Any], columns: int, **how: Any) -> None:
    """Pictures of one size side by side, each a sixteenth apart, as one."""
    gap = max(1, len(tiles[0]) // 16)
    clear = np.zeros((*tiles[0].shape[:2], 1)) + np.nan if tiles[0].ndim == 2 else np.zeros((*tiles[0].shape[:2], 4))
    shaped = [_opaque(tile) for tile in tiles] + [clear] * (-len(tiles) % columns)
    apart = [np.pad(t, ((0, gap), (0, gap), (0, 0)), constant_values=clear[0, 0, 0]) for t in shaped]
    rows = [np.concatenate(apart[at : at + columns], axis=1) for at in range(0, len(apart), columns)]
    figure.set_layout_engine("none")  # there is nothing beside them to make room for
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.concatenate(rows).squeeze(), **how)
    axes.set_axis_off()


def _opaque(tile: NDArray[Any]) -> NDArray[Any]:
    """(S, S) numbers -> (S, S, 1); (S, S, 3) colours, uint8 or 0 to 1 -> (S, S, 4), 0 to 1."""
    if tile.ndim == 2:
        return tile[..., None]
    colours = tile / 255 if tile.dtype == np.uint8 else tile
    return np.pad(colours, ((0, 0), (0, 0), (0, 1)), constant_values=1.0)


def soften(axes: Axes) -> None:
    """Greys and a clear ground."""
    axes.spines[["top"]].set_visible(False)
    axes.spines[["left", "bottom", "right"]].set_color(GREY)
    axes.tick_params(colors=GREY)
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)


def png(fill: Callable[[Figure], None], inches: tuple[float, float]) -> bytes:
    """The figure that `fill` draws, on a clear ground."""
    figure = Figure(figsize=inches, dpi=120, layout="constrained")
    fill(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", transparent=True, metadata={"Software": None})
    return file.getvalue()
