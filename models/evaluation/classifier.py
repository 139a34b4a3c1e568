"""The independent judge of generated pictures: names the concept, never sees a generated image.

A plain convolutional network with its own seed, architecture and augmentation, sharing no weight and
no feature with CLIP. Trained on real drawings only; its accuracy on held-out real drawings is the
ceiling to print beside any score it gives.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS
from models.compact import load_compact
from models.config import from_json
from models.dalle2.captions import BACKGROUNDS, COLOURS
from models.dalle2.data import IMAGE_SIZE, Jitter, Sprites, compose

CHECKPOINT = CHECKPOINTS / "dalle2-classifier.safetensors"


@dataclass(frozen=True)
class ClassifierConfig:
    """labels: the name of each class; channels: width of each resolution from 32 px down."""

    labels: tuple[str, ...]
    channels: tuple[int, ...] = (40, 80, 160, 256)
    seed: int = 77


class Classifier(nn.Module):
    """VGG-like: two 3x3 convolutions per resolution, max pooling between, mean pooling at the end."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        previous = 3
        for i, width in enumerate(config.channels):
            for _ in range(2):
                layers += [
                    nn.Conv2d(previous, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                previous = width
            if i + 1 < len(config.channels):
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(previous, len(config.labels))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, 32, 32) in [-1, 1] -> logits (B, labels)."""
        h = self.features(x.contiguous(memory_format=torch.channels_last))
        return self.head(self.dropout(h.mean((2, 3))))


def load_classifier(path: Path = CHECKPOINT) -> Classifier:
    """The shipped judge in eval mode. Raises CheckpointError."""
    state, header = load_compact(path)
    net = Classifier(from_json(ClassifierConfig, header["config"]))
    net.load_state_dict(state)
    return net.eval()


def augmented_batches(
    sprites: Sprites, rows: np.ndarray, size: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (pictures, concept numbers): every drawing equally often, recoloured (30 %), grey (15 %),
    on other backgrounds (40 %), blurred to half resolution (40 %), moved, turned and mirrored."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    jitter = Jitter(scale=(0.8, 1.1), rotate=12.0, shift=0.08, flip=0.5)
    numpy_rng = np.random.default_rng(seed)
    while True:
        order = numpy_rng.permutation(rows)
        for start in range(0, len(order) - size + 1, size):
            picked = order[start : start + size]
            colours = [rng.choice(list(COLOURS)) if rng.random() < 0.3 else None for _ in picked]
            grounds = [
                rng.choice([b for b in BACKGROUNDS if b != c]) if rng.random() < 0.4 else None
                for c in colours
            ]
            x = compose(sprites.rgba[picked], colours, grounds, generator, jitter)
            grey = torch.rand(size, 1, 1, 1, generator=generator) < 0.15
            x = torch.where(grey, x.mean(1, keepdim=True), x)
            soft = F.interpolate(F.avg_pool2d(x, 2), size=IMAGE_SIZE, mode="bilinear")
            x = torch.where(torch.rand(size, 1, 1, 1, generator=generator) < 0.4, soft, x)
            gain = 1 + 0.15 * torch.randn(size, 1, 1, 1, generator=generator)
            x = (x * gain + 0.03 * torch.randn(x.shape, generator=generator)).clamp(-1, 1)
            yield x, torch.from_numpy(sprites.concept[picked])


@torch.inference_mode()
def accuracy(net: Classifier, images: Tensor, concept: Tensor) -> dict[str, float]:
    """top-1 and top-5 share of pictures (N, 3, 32, 32) whose concept (N,) is named."""
    net.eval()
    ranks = torch.cat(
        [ranks_of(net(x), c) for x, c in zip(images.split(256), concept.split(256), strict=True)]
    )
    return {"top1": float((ranks < 1).float().mean()), "top5": float((ranks < 5).float().mean())}


def ranks_of(logits: Tensor, concept: Tensor) -> Tensor:
    """How many classes score higher than the right one. (B, C), (B,) -> (B,)"""
    return (logits > logits.gather(1, concept[:, None])).sum(1)
