"""Trains the picture models, stage by stage, from the prepared arrays in `cache/images`.

    python -m models train STAGE [--seconds S]

Stages: clip, text, bank, sketch, decoder, upsampler, upsampler64, upsampler128, prior,
classifier; `all` runs them in this order.

Order matters: `bank` needs a trained CLIP and text encoder; `sketch`, `decoder` and `prior` need the
bank, and an upsampler needs the smaller ones. Every stage resumes where it stopped and
writes its checkpoint every few minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from models import curves
from models.checkpoint import CHECKPOINTS
from models.dalle2 import bank, clip, text
from models.dalle2.stage import Options, command
from models.dalle2.train_diffusion import (
    train_decoder,
    train_prior,
    train_sketch,
)
from models.dalle2.train_towers import train_classifier, train_clip, train_text
from models.dalle2.train_upsamplers import train_upsampler
from models.dalle2.upsampler import UPSAMPLERS

CURVES = CHECKPOINTS / "dalle2-curves.json"


def build_bank(options: Options) -> None:
    """Composes and embeds every scene with the trained CLIP and text encoder."""
    bank.build_images(options.images)
    clip_net = clip.load_clip(options.place(clip.CHECKPOINT))
    bank.build_image_embeds(options.images, clip_net)
    encoder, tokenizer = text.load_text(options.place(text.CHECKPOINT), options.place(text.TABLE))
    bank.build_texts(options.images, clip_net, encoder, tokenizer)


def train_all(options: Options) -> None:
    """Every stage in order. `--seconds` is for the decoder; the others get their own fixed share."""
    shares = {
        "clip": 0.4,
        "text": 0.15,
        "bank": 0.0,
        "sketch": 0.06,
        "decoder": 1.0,
        "upsampler": 0.3,
        "upsampler64": 0.5,
        "upsampler128": 0.3,
        "prior": 0.15,
    }
    for name, share in {**shares, "classifier": 0.3}.items():
        print(f"dalle2: {name}")
        STAGES[name](replace(options, seconds=max(1.0, share * options.seconds)))
        curves.write(options.out, name, options.place(CURVES))


STAGES: dict[str, Callable[[Options], None]] = {
    "clip": train_clip,
    "text": train_text,
    "bank": build_bank,
    "sketch": train_sketch,
    "decoder": train_decoder,
    **{kind.name: partial(train_upsampler, kind) for kind in UPSAMPLERS},
    "prior": train_prior,
    "classifier": train_classifier,
    "all": train_all,
}


def main(argv: list[str]) -> None:
    """The `train dalle2` command."""
    command(argv, "dalle2", __doc__, STAGES, 3000.0, CURVES, warm=True)


if __name__ == "__main__":
    main(sys.argv[1:])
