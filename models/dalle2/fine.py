"""The drawings at 128 px, for the networks that enlarge: cache, splits and composition.

`<cache>/images/fine-128.npy` holds one row per row of `sprites.npz`, rendered anew from the vendors' vector
files, so that splits, concepts and the rules of held-out colours and grounds stay those of the sprites.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models.dalle2.captions import BACKGROUNDS, COLOURS, held_out_background, held_out_colour
from models.dalle2.data import Sprites, load_sprites, recolour, rgb_table
from models.dalle2.data_build import VENDORS, icon_names, icons_of, rasterise, read_concepts

FINE_SIZE = 128
HALF_SIZE = 64  # of a copy that fits into memory, for the smaller stages
RENDER_WIDTH = 256  # pixels a vector file is drawn at before it is cropped and reduced
REACH = 0.045  # how far a drawing moves at most: its transparent margin
SMALL = 0.3  # share of training pictures that show four drawings of half the size


def _file(folder: Path, size: int) -> Path:
    return folder / f"fine-{size}.npy"


def build_fine(cache_dir: str | Path = "cache") -> int:
    """Renders every drawing of `sprites.npz` again, at 128 px and by block averages at 64.
    -> number of drawings

    Raises FileNotFoundError without `sprites.npz` and MissingPackage without the npm packages.
    """
    cache = Path(cache_dir)
    folder, modules = cache / "images", cache / "npm" / "node_modules"
    sprites = load_sprites(folder)
    names = icon_names(modules, read_concepts(modules))
    hexcodes = [c["hexcode"] for c in sprites.concepts]
    count = len(sprites.concept)
    parts = {size: _file(folder, size).with_suffix(".part") for size in (FINE_SIZE, HALF_SIZE)}
    fine, half = (
        np.lib.format.open_memmap(part, "w+", np.uint8, (count, size, size, 4))
        for size, part in parts.items()
    )
    for number, vendor in enumerate(VENDORS):
        icons = icons_of(modules, vendor, names)
        for row in tqdm(np.flatnonzero(sprites.vendor == number), desc=f"{vendor} at 128 px"):
            drawing = rasterise(icons[hexcodes[sprites.concept[row]]], FINE_SIZE, RENDER_WIDTH)
            if drawing is not None:
                fine[row] = drawing
                half[row] = drawing.reshape(64, 2, 64, 2, 4).mean((1, 3)).round()
    for size, array in ((FINE_SIZE, fine), (HALF_SIZE, half)):
        array.flush()
        parts[size].replace(_file(folder, size))
    return count


@dataclass(frozen=True)
class Move:
    """By shares of the picture, after mirroring."""

    down: float = 0.0
    right: float = 0.0
    mirror: bool = False


UNMOVED = Move()


@dataclass(frozen=True)
class FineSprites:
    """The sprites and their drawings at 128 px or reduced: (N, S, S, 4) uint8 premultiplied. At 128 px
    they are not in memory."""

    sprites: Sprites
    pixels: np.ndarray

    def rgba(self, rows: np.ndarray, size: int, move: Move = UNMOVED) -> Tensor:
        """The drawings, moved as one and then reduced. -> (B, 4, size, size) in [0, 1], premultiplied

        Drawings have a transparent margin, so what a small move pushes out comes back empty.
        """
        drawings = self.pixels[rows]
        side = drawings.shape[1]
        if move.mirror:
            drawings = drawings[:, :, ::-1]
        shift = (round(move.down * side), round(move.right * side))
        drawings = np.roll(drawings, shift, (1, 2))  # in bytes: a quarter of the work
        x = torch.from_numpy(drawings).permute(0, 3, 1, 2).float()
        return F.avg_pool2d(x, side // size) / 255


def load_fine(folder: str | Path = "cache/images", size: int = FINE_SIZE) -> FineSprites:
    """Reads the cache, at 64 px into memory. Raises FileNotFoundError that says how to build it."""
    folder = Path(folder)
    sprites = load_sprites(folder)
    path = _file(folder, size)
    if not path.exists():
        raise FileNotFoundError(f"no {path}; build it with: python -m models data images")
    return FineSprites(sprites, np.load(path, mmap_mode="r" if size == FINE_SIZE else None))


def lay(rgba: Tensor, colours: Sequence[str | None], backgrounds: Sequence[str | None]) -> Tensor:
    """Pictures (B, 3, S, S) in [-1, 1] of drawings on backgrounds.

    rgba: (B, 4, S, S) in [0, 1] premultiplied. None in colours keeps the drawing's own colours; None
    in backgrounds is plain white.
    """
    painted = [i for i, name in enumerate(colours) if name is not None]
    if painted:
        rgba = rgba.clone()
        rgba[painted] = recolour(rgba[painted], rgb_table([colours[i] for i in painted], COLOURS))
    ground = rgb_table(backgrounds, BACKGROUNDS).view(-1, 3, 1, 1)
    return (rgba[:, :3] + (1 - rgba[:, 3:]) * ground).clamp(0, 1) * 2 - 1


class FineScenes:
    """Endless random training pictures: drawings of the training split, moved, mirrored, recoloured and
    set on grounds, the held-out combinations left out; some in fours at half the size."""

    def __init__(self, fine: FineSprites, seed: int) -> None:
        """fine: at least as large as the pictures that will be drawn."""
        self.fine = fine
        self.rows = fine.sprites.of("train")
        self.rng = np.random.default_rng(seed)

    def _pick(self, names: Sequence[str], chance: float, barred: set[str]) -> str | None:
        if self.rng.random() >= chance:
            return None
        name = names[int(self.rng.integers(len(names)))]
        return None if name in barred else name

    def _hexcode(self, row: int) -> str:
        return self.fine.sprites.concepts[self.fine.sprites.concept[row]]["hexcode"]

    def _words(self, row: int) -> tuple[str | None, str | None]:
        hexcode = self._hexcode(row)
        colour = self._pick(
            list(COLOURS), 0.25, {c for c in COLOURS if held_out_colour(hexcode, c)}
        )
        ground = self._pick(
            list(BACKGROUNDS), 0.5, {b for b in BACKGROUNDS if held_out_background(hexcode, b)}
        )
        return colour, ground

    def _move(self) -> Move:
        down, right = self.rng.uniform(-REACH, REACH, 2)
        return Move(float(down), float(right), bool(self.rng.random() < 0.5))

    def draw(self, count: int, size: int) -> Tensor:
        """-> (count, 3, size, size) in [-1, 1]; size divides that of the drawings"""
        rows = self.rng.choice(self.rows, count, replace=False)
        words = [self._words(int(r)) for r in rows]
        small = int(count * SMALL)
        whole = self.fine.rgba(rows[small:], size, self._move())
        pictures = [lay(whole, *zip(*words[small:], strict=True))]
        if small:
            pictures.append(self._fours(rows[:small], size))
        return torch.cat(pictures)

    def _fours(self, rows: np.ndarray, size: int) -> Tensor:
        """Every picture shows its own drawing and three neighbours, on a ground barred for none."""
        half = self.fine.rgba(rows, size // 2, self._move())
        turns = [half.roll(k, 0) for k in range(4)]
        canvas = torch.cat([torch.cat(turns[:2], -1), torch.cat(turns[2:], -1)], -2)
        names, grounds = list(BACKGROUNDS), []
        for i in range(len(rows)):
            shown = {self._hexcode(int(rows[(i - k) % len(rows)])) for k in range(4)}
            barred = {b for b in names if any(held_out_background(h, b) for h in shown)}
            grounds.append(self._pick(names, 0.5, barred))
        return lay(canvas, [None] * len(rows), grounds)


def write_sample(cache_dir: str | Path, out: Path) -> int:
    """Beside a sample of the sprites (the test fixture), its held-out renderings at 128 px: `fine.npz`
    with their row numbers in that sample. -> number of drawings"""
    fine, sample = load_fine(Path(cache_dir) / "images"), load_sprites(out)

    def names(sprites: Sprites) -> list[tuple[str, int]]:
        return [
            (sprites.concepts[c]["hexcode"], int(v))
            for c, v in zip(sprites.concept, sprites.vendor, strict=True)
        ]

    where = {name: row for row, name in enumerate(names(fine.sprites))}
    known = names(sample)
    rows = sample.of("held_out_rendering")
    pixels = fine.pixels[np.array([where[known[row]] for row in rows])]
    np.savez_compressed(out / "fine.npz", row=rows, rgba=pixels)
    return len(rows)
