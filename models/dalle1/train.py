"""Trains the token models, stage by stage, on the scenes in `cache/images`.

    python -m models train dalle1 STAGE [--seconds S]

Stages: tokenizer, tokens (encodes every scene once), transformer; `all` runs them in this order.
Every stage resumes where it stopped and writes its checkpoint every few minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models import curves
from models.checkpoint import CHECKPOINTS, fingerprint
from models.compact import save_compact
from models.dalle1 import tokenizer
from models.dalle1.stock import Batch, batches, build_tokens, load_stock
from models.dalle1.transformer import CHECKPOINT, TokenTransformer, TransformerConfig
from models.dalle2 import clip, text
from models.dalle2.data import STILL, Jitter, Scenes, Sprites, load_scenes, load_sprites
from models.dalle2.stage import Options, autocast, command, pausing
from models.dalle2.unet import channels_last
from models.diffusion.training import TrainConfig, fit

CURVES = CHECKPOINTS / "dalle1-curves.json"
BATCH = 64
HELD_OUT = 2048  # scenes that the transformer's loss is checked on
COMMITMENT = 0.25  # van den Oord et al. 2017, equation 3
WANDERING = Jitter(scale=(0.5, 1.1), shift=0.2, flip=0.5)


def _pictures(scenes: Scenes, sprites: Sprites, size: int) -> Iterator[Tensor]:
    """Endless batches of scenes; every other drawing is moved and shrunk, so that no code belongs to
    one place only."""
    seed = torch.initial_seed() % 2**63
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    half = size // 2
    while True:
        rows = rng.integers(0, len(scenes.sprite), size)
        yield torch.cat(
            [
                scenes.compose(sprites, rows[:half], generator, STILL),
                scenes.compose(sprites, rows[half:], generator, WANDERING),
            ]
        )


def train_tokenizer(options: Options) -> None:
    """The discrete autoencoder on composed scenes."""
    sprites, scenes = load_sprites(options.images), load_scenes(options.images)
    config = tokenizer.TokenizerConfig()
    net = channels_last(tokenizer.ImageTokenizer(config)).to(options.device)

    def loss_fn(images: Tensor) -> dict[str, Tensor]:
        images = images.to(options.device)
        with autocast(options):
            painted, commitment, chosen = net(images)
        loss = tokenizer.reconstruction_loss(painted, images)
        share = torch.bincount(chosen.flatten(), minlength=config.codes) / chosen.numel()
        return {
            "loss": loss + COMMITMENT * commitment,
            "rms": (painted.detach().float() - images).square().mean().sqrt(),
            "commitment": commitment,
            "perplexity": (-(share * share.clamp_min(1e-9).log()).sum()).exp(),
        }

    fit(
        TrainConfig(
            lr=1.5e-3, max_seconds=options.seconds, ema=0.995, decay_from=0.5, seed=options.seed
        ),
        net,
        loss_fn,
        _pictures(scenes, sprites, 64),
        options.out / "tokenizer",
        lambda state, info: tokenizer.save_tokenizer(
            options.place(tokenizer.CHECKPOINT), state, config, info
        ),
        pausing(options),
    )


def train_transformer(options: Options) -> None:
    """Next codes from captions and earlier codes; cross-entropy over the picture alone."""
    stock, device = load_stock(options), options.device
    config = TransformerConfig(word=stock.table.shape[1], summary=stock.summary.shape[1])
    net, table = TokenTransformer(config).to(device), stock.table.to(device)
    rows = np.random.default_rng(0).permutation(len(stock.codes))
    kept_out, rows = rows[:HELD_OUT], rows[HELD_OUT:]
    check = [batch for batch, _ in zip(batches(stock, kept_out, 16), range(16), strict=False)]

    def loss_of(batch: Batch) -> Tensor:
        summary, ids, mask, codes = (part.to(device) for part in batch)
        with autocast(options):
            logits = net(summary, table[ids], mask, codes)
        return F.cross_entropy(logits.float().flatten(0, 1), codes.flatten())

    pause = pausing(options)

    @torch.no_grad()
    def on_save(step: int) -> dict[str, float]:
        held_out = float(torch.stack([loss_of(batch) for batch in check]).mean())
        return {"held_out": held_out, **pause(step)}

    # The shipped files must be the very ones that it was trained with.
    needed = [options.place(m.CHECKPOINT) for m in (text, clip, tokenizer)]
    provenance = {path.name: fingerprint(path) for path in needed}
    fit(
        TrainConfig(
            lr=1.5e-3,
            betas=(0.9, 0.98),
            weight_decay=0.03,
            warmup_steps=150,
            max_seconds=options.seconds,
            ema=0.998,
            decay_from=0.35,
            seed=options.seed,
        ),
        net,
        lambda batch: {"loss": loss_of(batch)},
        batches(stock, rows, BATCH),
        options.out / "transformer",
        lambda state, info: save_compact(
            options.place(CHECKPOINT), state, config, {**info, **provenance, "batch": BATCH}
        ),
        on_save,
    )


def train_all(options: Options) -> None:
    """Every stage in order. `--seconds` is for the transformer; the tokenizer gets a third of it."""
    for name, share in {"tokenizer": 0.33, "tokens": 0.0, "transformer": 1.0}.items():
        print(f"dalle1: {name}")
        STAGES[name](replace(options, seconds=max(1.0, share * options.seconds)))
        curves.write(options.out, name, options.place(CURVES))


STAGES: dict[str, Callable[[Options], None]] = {
    "tokenizer": train_tokenizer,
    "tokens": build_tokens,
    "transformer": train_transformer,
    "all": train_all,
}


def main(argv: list[str]) -> None:
    """The `train dalle1` command."""
    command(argv, "dalle1", __doc__, STAGES, 2700.0, CURVES)


if __name__ == "__main__":
    main(sys.argv[1:])
