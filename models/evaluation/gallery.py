"""Two picture sheets of the shipped models: free prompts as they come, and what the judge did not name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.dalle2.data import Sprites, to_uint8
from models.dalle2.pipeline import Dalle2
from models.evaluation import classifier as judge
from models.evaluation.drawing import caption_of, chosen_concepts, read_texts, together
from models.evaluation.sheets import save_sheet

# Chosen before any of them was drawn; four samples each, seeds 0 to 3, none left out.
CONTACT_PROMPTS = (
    "a cat", "a sleepy dog", "a lion", "a pink elephant", "a fish in the sea", "an owl", "a green frog",
    "a red butterfly", "a penguin", "a unicorn", "a slice of pizza", "a green apple", "a birthday cake",
    "a cup of coffee", "a strawberry on a yellow background", "a banana", "a burger", "a red car",
    "a yellow bus", "a rocket in space", "a sailing boat", "a small house", "a castle", "a palm tree",
    "a sunflower", "a rose on a black background", "a rainbow", "a full moon at night", "a snowman",
    "a broken heart", "a laughing face", "an angry face", "a ghost", "a robot", "a guitar",
    "two cats", "three apples", "a dog and a cat", "a star in the top left corner",
    "a blue heart on a pink background",
)  # fmt: skip


def tile(pictures: np.ndarray, labels: Sequence[str], size: int, columns: int) -> Any:
    """(N, k, H, W, 3) uint8 -> one image: each label above its k pictures side by side."""
    from PIL import Image, ImageDraw

    count, several = pictures.shape[:2]
    strip = 12
    width, height = size * several + 6, size + strip + 4
    sheet = Image.new("RGB", (width * columns, height * -(-count // columns)), "white")
    pen = ImageDraw.Draw(sheet)
    for i in range(count):
        x, y = i % columns * width, i // columns * height
        pen.text((x + 2, y), labels[i][: width // 6], fill="black")
        for j in range(several):
            one = Image.fromarray(pictures[i, j]).resize((size, size), Image.Resampling.LANCZOS)
            sheet.paste(one, (x + j * size, y + strip))
    return sheet


def contact_sheet(pipeline: Dalle2, folder: Path) -> None:
    """Writes `dalle2-contact.webp`: CONTACT_PROMPTS at the default settings and largest size."""
    settings = replace(pipeline.defaults, samples=4, seed=0)
    reads = read_texts(pipeline, CONTACT_PROMPTS)
    results = together([pipeline.draw(read, settings) for read in reads])
    pictures = np.stack([to_uint8(r.images) for r in results])
    save_sheet(tile(pictures, CONTACT_PROMPTS, 64, 4), folder / "dalle2-contact.webp")


@torch.inference_mode()
def failure_sheet(
    sprites: Sprites, drawn: Tensor, folder: Path, count: int = 40
) -> list[dict[str, Any]]:
    """Writes `dalle2-failures.webp`: of the evaluation's captions, those whose concept the judge ranks
    lowest. -> per picture its caption, what the judge saw and the rank of the right answer."""
    net = judge.load_classifier()
    kinds = torch.tensor(chosen_concepts(sprites.concepts, len(drawn)))
    logits = torch.cat([net(x) for x in drawn.split(256)])
    ranks, seen = judge.ranks_of(logits, kinds), logits.argmax(1)
    worst = ranks.argsort(descending=True, stable=True)[:count].tolist()
    worst = [i for i in worst if ranks[i] >= 5]
    captions = [caption_of(sprites.concepts[kinds[i]]) for i in worst]
    if worst:
        pictures = to_uint8(drawn[worst])[:, None]
        save_sheet(tile(pictures, captions, 96, 8), folder / "dalle2-failures.webp")
    return [
        {
            "caption": caption,
            "judged": sprites.concepts[int(seen[i])]["label"],
            "rank": int(ranks[i]) + 1,
        }
        for i, caption in zip(worst, captions, strict=True)
    ]
