"""What the transformer learns from: scenes as codes, encoded once, and their captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.checkpoint import fingerprint
from models.dalle1 import tokenizer
from models.dalle1.transformer import TEXT_DROP, TransformerConfig
from models.dalle2 import text
from models.dalle2.data import STILL, load_scenes, load_sprites
from models.dalle2.stage import Options, autocast


@dataclass(frozen=True)
class Stock:
    """What the transformer learns from: row i is scene i."""

    codes: Tensor  # (N, places) int16
    caption: Tensor  # (N,) row of the next two
    ids: list[tuple[int, ...]]  # word pieces of each caption
    summary: Tensor  # (M, embed) float16, CLIP text embeddings
    table: Tensor  # (words, word) the vectors of dalle2's vocabulary


@torch.inference_mode()
def build_tokens(options: Options) -> None:
    """Encodes every scene, unmoved, into `dalle1_codes.npz`."""
    sprites, scenes = load_sprites(options.images), load_scenes(options.images)
    path = options.place(tokenizer.CHECKPOINT)
    net, still, codes = tokenizer.load_tokenizer(path), torch.Generator(), []
    net.to(options.device)
    for rows in tqdm(np.array_split(np.arange(len(scenes.sprite)), len(scenes.sprite) // 250 + 1)):
        images = scenes.compose(sprites, rows, still, STILL).to(options.device)
        with autocast(options):
            codes.append(net.encode(images).short().cpu())
    np.savez(
        options.images / "dalle1_codes.npz",
        codes=torch.cat(codes).numpy(),
        tokenizer=np.array(fingerprint(path)),
    )


def load_stock(options: Options) -> Stock:
    """Codes by this tokenizer, captions from dalle2's bank. Raises FileNotFoundError that names the
    stage to run first."""
    path, bank = options.images / "dalle1_codes.npz", options.images / "bank_texts.npz"
    if not path.exists():
        raise FileNotFoundError(f"no {path}; run: python -m models train dalle1 tokens")
    if not bank.exists():
        raise FileNotFoundError(f"no {bank}; run: python -m models train bank")
    scenes, arrays = load_scenes(options.images), np.load(path)
    made_by, now = str(arrays["tokenizer"]), fingerprint(options.place(tokenizer.CHECKPOINT))
    if made_by != now or len(arrays["codes"]) != len(scenes.sprite):
        raise RuntimeError(f"{path} is of other scenes or another tokenizer; build it again")
    encoder, words = text.load_text(options.place(text.CHECKPOINT), options.place(text.TABLE))
    embeds = np.load(bank)
    unique = np.unique(scenes.caption)
    if len(embeds["text_embed"]) != len(unique):
        raise RuntimeError(f"{bank} is of other captions; build it again")
    return Stock(
        torch.from_numpy(arrays["codes"]),
        torch.from_numpy(embeds["caption"]),
        [words(scenes.texts[i]).ids for i in unique],
        torch.from_numpy(embeds["text_embed"]),
        encoder.table.weight.detach(),
    )


Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def batches(stock: Stock, rows: np.ndarray, size: int) -> Iterator[Batch]:
    """Endless (summary (B, embed), word ids (B, T), mask (B, 1 + T), codes (B, places)). Captions of a
    batch are about equally long, so little is computed for padding; a share of them is hidden."""
    seed = torch.initial_seed() % 2**63
    rng = np.random.default_rng(seed)
    longest = TransformerConfig().text
    lengths = np.array([min(len(ids), longest) for ids in stock.ids])[stock.caption.numpy()]
    while True:
        order = rng.permutation(rows)
        for start in range(0, len(order) - 16 * size + 1, 16 * size):
            group = order[start : start + 16 * size]
            group = group[np.argsort(lengths[group], kind="stable")].reshape(16, size)
            for picked in rng.permutation(group):
                ids, mask = text.pad(
                    [stock.ids[i][:longest] or (0,) for i in stock.caption[picked].tolist()]
                )
                mask = torch.cat([torch.ones(size, 1, dtype=torch.bool), mask], 1)
                shown = torch.from_numpy(rng.random(size) >= TEXT_DROP)
                summary = stock.summary[stock.caption[picked]].float()
                yield summary, ids, mask & shown[:, None], stock.codes[picked].long()
