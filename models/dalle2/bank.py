"""The bank: every training scene as a finished picture with its embeddings, made once by frozen networks.

The decoder, the upsampler and the prior read it, so their training pays for neither composition nor CLIP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models.dalle2.clip import Clip
from models.dalle2.data import STILL, load_scenes, load_sprites, to_uint8
from models.dalle2.layout import INDEX
from models.dalle2.text import TextEncoder, Tokenizer, pad

BANK_TOKENS = 12  # token states kept per caption for the prior's training


@dataclass(frozen=True)
class Bank:
    """Row i is scene i. Captions repeat, so their side is stored once and indexed by `caption`."""

    images: np.ndarray  # (N, 32, 32, 3) uint8
    image_embed: Tensor  # (N, embed) float16, unit length
    mirror_embed: Tensor  # (N, embed) of the mirrored picture where the scene has a layout
    caption: Tensor  # (N,) row of the next two
    text_embed: Tensor  # (M, embed) float16, unit length
    states: Tensor  # (M, BANK_TOKENS, width) float16, zero where there is no token

    def pictures(self, rows: np.ndarray) -> Tensor:
        """-> (B, 3, 32, 32) in [-1, 1]"""
        x = torch.from_numpy(self.images[rows]).permute(0, 3, 1, 2)
        return x.float() / 127.5 - 1


def build_images(folder: Path, batch: int = 256) -> None:
    """Composes every scene, unmoved, into `bank_images.npy`."""
    sprites, scenes = load_sprites(folder), load_scenes(folder)
    count = len(scenes.sprite)
    images = np.lib.format.open_memmap(
        folder / "bank_images.npy", "w+", dtype=np.uint8, shape=(count, 32, 32, 3)
    )
    still = torch.Generator()
    for start in tqdm(range(0, count, batch), desc="bank pictures"):
        rows = np.arange(start, min(start + batch, count))
        images[rows] = to_uint8(scenes.compose(sprites, rows, still, STILL))
    images.flush()


@torch.inference_mode()
def build_image_embeds(folder: Path, clip: Clip) -> None:
    """Embeds the bank's pictures into `bank_image_embed.npy`, and those with a layout also mirrored into
    `bank_mirror_embed.npy` (others keep their own embedding there)."""
    images = np.load(folder / "bank_images.npy", mmap_mode="r")
    embeds = _embed(clip, images, np.arange(len(images)))
    np.save(folder / "bank_image_embed.npy", embeds)
    placed = np.flatnonzero(load_scenes(folder).layout != INDEX["whole"])
    embeds[placed] = _embed(clip, images[:, :, ::-1], placed)
    np.save(folder / "bank_mirror_embed.npy", embeds)


def _embed(clip: Clip, images: np.ndarray, rows: np.ndarray, batch: int = 512) -> np.ndarray:
    """(N, H, W, 3) uint8, some rows of it -> (len(rows), embed) float16"""
    out = []
    for start in tqdm(range(0, len(rows), batch), desc="bank image embeddings"):
        x = torch.from_numpy(images[rows[start : start + batch]].copy()).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16):
            out.append(clip.image_embed(x.float() / 127.5 - 1).half())
    return torch.cat(out).numpy()


@torch.inference_mode()
def build_texts(
    folder: Path, clip: Clip, encoder: TextEncoder, tokenizer: Tokenizer, batch: int = 512
) -> None:
    """Embeds the captions into `bank_texts.npz` and keeps their token states in `bank_states.npy`."""
    scenes = load_scenes(folder)
    unique, caption = np.unique(scenes.caption, return_inverse=True)
    states = np.zeros((len(unique), BANK_TOKENS, encoder.config.width), np.float16)
    text_embed = np.zeros((len(unique), clip.config.embed), np.float16)
    ids = [tokenizer(scenes.texts[i]).ids for i in unique]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for start in tqdm(range(0, len(order), batch), desc="bank text embeddings"):
        rows = order[start : start + batch]
        padded, mask = pad([ids[i] or (0,) for i in rows])
        with torch.autocast("cpu", torch.bfloat16):
            token_states, sentence = encoder(padded, mask)
        kept = token_states[:, :BANK_TOKENS].float()
        states[rows, : kept.shape[1]] = kept.half().numpy()
        text_embed[rows] = clip.text_embed(sentence).half().numpy()
    np.savez(folder / "bank_texts.npz", caption=caption.astype(np.int64), text_embed=text_embed)
    np.save(folder / "bank_states.npy", states)


def load_bank(folder: str | Path = "cache/images") -> Bank:
    """Raises FileNotFoundError that names the stage to run first."""
    folder = Path(folder)
    if not (folder / "bank_states.npy").exists():
        raise FileNotFoundError(f"no bank in {folder}; run: python -m models train dalle2 bank")
    texts = np.load(folder / "bank_texts.npz")
    return Bank(
        np.load(folder / "bank_images.npy", mmap_mode="r"),
        torch.from_numpy(np.load(folder / "bank_image_embed.npy")),
        torch.from_numpy(np.load(folder / "bank_mirror_embed.npy")),
        torch.from_numpy(texts["caption"]),
        torch.from_numpy(texts["text_embed"]),
        torch.from_numpy(np.load(folder / "bank_states.npy")),
    )


def measured_sigma(images: Tensor) -> float:
    """Standard deviation over all entries of (N, ...) samples."""
    return float(images.float().std())


def shrink(pictures: Tensor, size: int) -> Tensor:
    """Block averages: (B, 3, S, S) -> (B, 3, size, size)."""
    return F.avg_pool2d(pictures, pictures.shape[-1] // size)
