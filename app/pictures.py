"""Pictures and films of a run, drawn with Pillow: images, particles, balls and sticks."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

SIDE = 256  # pixels of one sample in a film
SIDE_STILL = 512
CAPTION = 24
FILM_SAMPLES = 4
STRIP_FRAMES = 8
FRAME_MS = 90
LAST_MS = 1500
PAPER = (255, 255, 255)
INK = (32, 36, 44)

# Jmol's element colours, the ones that viewers of molecules agree on; everything else is pink.
COLOURS = {
    "H": (235, 235, 235), "C": (120, 120, 120), "N": (48, 80, 248), "O": (235, 30, 20),
    "F": (120, 200, 70), "Si": (220, 180, 140), "P": (255, 128, 0), "S": (230, 190, 30),
    "Cl": (30, 210, 30), "B": (255, 181, 181), "Se": (255, 161, 0), "Br": (166, 41, 41),
    "I": (148, 0, 148),
}  # fmt: skip
OTHER = (255, 20, 147)


@dataclass(frozen=True)
class Pair:
    """One frame: what it is, the arrays (S, ...) of the noisy state and the denoised estimate, and what
    a film calls the two."""

    label: str
    x: np.ndarray
    denoised: np.ndarray
    sides: str = "noisy | denoised"


class Painter(Protocol):
    def paint(self, array: np.ndarray, side: int) -> Image.Image:
        """One sample as a picture of side x side pixels."""
        ...


class ImagePainter:
    """Pixels as they are, enlarged without smoothing."""

    def paint(self, array: np.ndarray, side: int) -> Image.Image:
        return Image.fromarray(array).resize((side, side), Image.Resampling.NEAREST)


class ParticlePainter:
    """Points in a window 1.2 times as wide as the final samples (S, P, 2); what is outside is not
    drawn."""

    def __init__(self, samples: np.ndarray) -> None:
        self._reach = 1.2 * float(np.abs(samples).max())

    def paint(self, array: np.ndarray, side: int) -> Image.Image:
        picture = Image.new("RGB", (side, side), PAPER)
        pixels = np.asarray(array, np.float64) * [1, -1] / self._reach * side / 2 + side / 2
        inside = ((pixels >= 0) & (pixels < side)).all(1)
        canvas = np.array(picture)
        columns, rows = pixels[inside].astype(int).T
        canvas[rows, columns] = (20, 70, 160)
        return Image.fromarray(canvas)


class MoleculePainter:
    """Balls and sticks seen along the direction in which the final sample is thinnest.

    atoms: dicts with "element"; bonds: (i, j, order) from the input graph; sample: (N, 3) A. States
    wider than the window are shrunk into it, because noise at 2000 A would leave it empty.
    """

    def __init__(
        self,
        atoms: Sequence[Mapping[str, Any]],
        bonds: Sequence[Sequence[int]],
        sample: np.ndarray,
    ) -> None:
        self._colours = [COLOURS.get(str(atom["element"]), OTHER) for atom in atoms]
        self._bonds = [(int(bond[0]), int(bond[1])) for bond in bonds]
        centred = sample - sample.mean(0)
        axes = np.linalg.svd(centred, full_matrices=True)[2] if len(sample) > 1 else np.eye(3)
        if np.linalg.det(axes) < 0:
            axes[2] *= -1  # a proper rotation: the picture must not show the mirror image
        self._axes = axes
        self._reach = 1.15 * float(np.abs(centred @ axes.T)[:, :2].max(initial=1.0)) + 1.0
        self._ball = 0.35 if len(atoms) <= 100 else 0.25  # A

    def paint(self, array: np.ndarray, side: int) -> Image.Image:
        big = 2 * side  # drawn twice as large and reduced: smooth edges
        points = np.asarray(array, np.float64)
        points = (points - points.mean(0)) @ self._axes.T
        points *= min(1.0, self._reach / max(1e-9, float(np.abs(points[:, :2]).max())))
        unit = big / 2 / self._reach
        pixels = points[:, :2] * [1, -1] * unit + big / 2
        depth = points[:, 2]
        near = 1 - (depth.max() - depth) / max(4.0, float(np.ptp(depth)))  # 1 near ... 0 far
        picture = Image.new("RGB", (big, big), PAPER)
        draw = ImageDraw.Draw(picture)
        radius = self._ball * unit
        order: list[tuple[float, tuple[int, ...]]] = [(depth[i], (i,)) for i in range(len(points))]
        order += [((depth[i] + depth[j]) / 2 - 1e-3, (i, j)) for i, j in self._bonds]
        for _, what in sorted(order):
            if len(what) == 2:
                self._stick(draw, pixels, near, what, radius)
            else:
                self._atom(draw, pixels[what[0]], near[what[0]], what[0], radius)
        return picture.resize((side, side), Image.Resampling.LANCZOS)

    def _stick(
        self,
        draw: ImageDraw.ImageDraw,
        pixels: np.ndarray,
        near: np.ndarray,
        ends: tuple[int, ...],
        radius: float,
    ) -> None:
        middle = tuple(pixels[list(ends)].mean(0))
        for end in ends:  # each half in its atom's colour
            colour = _fade(self._colours[end], near[end], 0.85)
            draw.line([tuple(pixels[end]), middle], colour, width=max(2, int(radius * 0.8)))

    def _atom(
        self, draw: ImageDraw.ImageDraw, centre: np.ndarray, near: float, index: int, radius: float
    ) -> None:
        x, y = centre
        for share, light in ((1.0, 0.65), (0.88, 0.9), (0.6, 1.0)):  # rim, body, lit side
            r, shift = radius * share, radius * (1 - share) * 0.35
            box = (x - r - shift, y - r - shift, x + r - shift, y + r - shift)
            draw.ellipse(box, _fade(self._colours[index], near, light))
        r, shift = radius * 0.2, radius * 0.35
        box = (x - r - shift, y - r - shift, x + r - shift, y + r - shift)
        draw.ellipse(box, _fade((255, 255, 255), near, 1.0))


def _fade(colour: tuple[int, int, int], near: float, light: float) -> tuple[int, int, int]:
    """Far things fade into the paper; ``light`` below 1 darkens."""
    share = 0.45 + 0.55 * float(near)
    red, green, blue = (
        int(share * light * c + (1 - share) * p) for c, p in zip(colour, PAPER, strict=True)
    )
    return red, green, blue


def png(painter: Painter, samples: np.ndarray, provenance: str) -> bytes:
    """The final samples (S, ...) side by side; settings and versions in the text chunk "Twofold"."""
    return _saved(_row([painter.paint(sample, SIDE_STILL) for sample in samples]), provenance)


def _saved(picture: Image.Image, provenance: str) -> bytes:
    info = PngInfo()
    info.add_text("Software", "Twofold")
    info.add_itxt("Twofold", provenance)
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def film(painter: Painter, frames: Sequence[Pair]) -> list[Image.Image]:
    """One picture per frame: noisy left, denoised right, one line per sample, a caption below."""
    font = ImageFont.load_default(14)
    pictures = []
    for frame in frames:
        rows = min(FILM_SAMPLES, len(frame.x))
        picture = Image.new("RGB", (2 * SIDE, rows * SIDE + CAPTION), PAPER)
        for k in range(rows):
            picture.paste(painter.paint(frame.x[k], SIDE), (0, k * SIDE))
            picture.paste(painter.paint(frame.denoised[k], SIDE), (SIDE, k * SIDE))
        draw = ImageDraw.Draw(picture)
        draw.text((6, rows * SIDE + 3), f"{frame.sides}   {frame.label}", INK, font=font)
        pictures.append(picture)
    return pictures


def gif(painter: Painter, frames: Sequence[Pair], provenance: str) -> bytes:
    """The film as an animated GIF; settings and versions in its comment."""
    first, *rest = film(painter, frames)
    out = io.BytesIO()
    durations = [FRAME_MS] * len(rest) + [LAST_MS]
    first.save(
        out,
        "GIF",
        save_all=True,
        append_images=rest,
        duration=durations,
        loop=0,
        comment=provenance.encode(),
    )
    return out.getvalue()


def mp4(painter: Painter, frames: Sequence[Pair], provenance: str) -> bytes:
    """The film as H.264 in an MP4; settings and versions in its comment."""
    pictures = film(painter, frames)
    pictures += [pictures[-1]] * (LAST_MS // FRAME_MS)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        container.metadata["comment"] = provenance
        stream = container.add_stream("libx264", rate=1000 // FRAME_MS)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return out.getvalue()


def strip(painter: Painter, frames: Sequence[Pair], provenance: str) -> bytes:
    """Key frames of the first sample from noise to data as one PNG, noisy above, denoised below: evenly
    spread over the frames, the last one always among them."""
    count = min(STRIP_FRAMES, len(frames))
    chosen = [frames[round(k * (len(frames) - 1) / max(1, count - 1))] for k in range(count)]
    picture = Image.new("RGB", (count * SIDE, 2 * SIDE + CAPTION), PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(14)
    for k, frame in enumerate(chosen):
        picture.paste(painter.paint(frame.x[0], SIDE), (k * SIDE, 0))
        picture.paste(painter.paint(frame.denoised[0], SIDE), (k * SIDE, SIDE))
        draw.text((k * SIDE + 6, 2 * SIDE + 3), frame.label, INK, font=font)
    return _saved(picture, provenance)


def _row(pictures: Sequence[Image.Image]) -> Image.Image:
    width, height = pictures[0].size
    row = Image.new("RGB", (width * len(pictures), height), PAPER)
    for k, picture in enumerate(pictures):
        row.paste(picture, (k * width, 0))
    return row
