"""Still pictures of structures: sticks in the elements' usual colours, nearer ones larger and clearer.

Pillow alone draws them, four times too large and then reduced, so that a metrics command needs no
browser. What the page shows live is drawn by its own viewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

OVERSAMPLE = 3
PAPER, CRYSTAL, INK, MUTED = (255, 255, 255), (186, 190, 198), (32, 36, 44), (104, 110, 122)
# Jmol's colours, the light ones darkened to be seen on white.
COLOURS = {
    "C": (88, 92, 100), "N": (48, 80, 248), "O": (230, 24, 18), "S": (214, 176, 0),
    "P": (255, 128, 0), "F": (96, 176, 60), "Cl": (24, 190, 24), "Br": (166, 41, 41),
    "I": (148, 0, 148), "B": (224, 140, 140), "Se": (230, 140, 0), "Si": (200, 160, 120),
    "Na": (150, 80, 220), "Mg": (90, 200, 0), "K": (130, 60, 200), "Ca": (40, 190, 40),
    "Mn": (130, 100, 180), "Fe": (214, 92, 40), "Co": (220, 120, 140), "Ni": (60, 190, 60),
    "Cu": (190, 120, 50), "Zn": (110, 114, 168), "Cd": (230, 200, 120),
}  # fmt: skip
OTHER = (220, 60, 180)
STICK, BALL, ION, TRACE = 0.16, 0.24, 0.7, 0.42  # radii in A


@dataclass(frozen=True)
class Drawing:
    """xyz: (N, 3) A; elements: N symbols; bonds: (M, 2); traces: atoms along each polymer chain (CA, P),
    drawn as a ribbon from blue to red; under: (N, 3) A of the crystal on the same axes, or None; caption:
    lines below the picture."""

    xyz: np.ndarray
    elements: Sequence[str]
    bonds: np.ndarray
    caption: Sequence[str]
    traces: Sequence[np.ndarray] = ()
    under: np.ndarray | None = None


def view_axes(xyz: np.ndarray) -> np.ndarray:
    """(3, 3) rows x, y, z of a view along the flattest direction; a rotation, so hands stay as they are."""
    centred = xyz - xyz.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1].T[::-1].copy()
    if np.linalg.det(axes) < 0:
        axes[2] = -axes[2]
    return axes


def _mixed(colour: Sequence[int], depth: float) -> tuple[int, ...]:
    """depth 0 = nearest, 1 = furthest: fades into the paper."""
    share = 0.55 * depth
    return tuple(round((1 - share) * c + share * p) for c, p in zip(colour, PAPER, strict=True))


def _dark(colour: Sequence[int]) -> tuple[int, ...]:
    return tuple(round(0.62 * c) for c in colour)


def rainbow(share: float) -> tuple[int, int, int]:
    """Blue at a chain's start, red at its end."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(0.66 * (1 - share), 0.72, 0.88)
    return round(255 * red), round(255 * green), round(255 * blue)


def smooth(points: np.ndarray, between: int = 6) -> np.ndarray:
    """Catmull-Rom curve through (n, 3) points."""
    if len(points) < 3:
        return points
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, between, endpoint=False)[:, None, None]
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 3), points[-1:]])


def picture(drawing: Drawing, size: int) -> Any:
    """-> a square Pillow image of ``size`` pixels."""
    from PIL import Image, ImageDraw

    side = size * OVERSAMPLE
    image = Image.new("RGB", (side, side), PAPER)
    pen = ImageDraw.Draw(image)
    axes, middle = view_axes(drawing.xyz), drawing.xyz.mean(0)
    shown = (drawing.xyz - middle) @ axes.T
    below = None if drawing.under is None else (drawing.under - middle) @ axes.T
    every = shown if below is None else np.concatenate([shown, below])
    low, high = every.min(0), every.max(0)
    scale = 0.88 * side / max(4.0, *(high - low)[:2])
    centre = (low + high) / 2
    far, near = float(low[2]), float(high[2])

    def place(p: np.ndarray) -> tuple[float, float]:
        x, y = (p[:2] - centre[:2]) * scale
        return side / 2 + float(x), side / 2 - float(y)

    def depth(z: float) -> float:
        return (near - z) / max(near - far, 1e-6)

    def stick(a: np.ndarray, b: np.ndarray, colour: Sequence[int], radius: float) -> None:
        d = depth(float(a[2] + b[2]) / 2)
        width = radius * scale * (1.2 - 0.4 * d)
        ends = [place(a), place(b)]
        edge, body = _mixed(_dark(colour), d), _mixed(colour, d)
        pen.line(ends, fill=edge, width=max(1, round(2 * width)))
        half = 0.72 * width
        pen.line(ends, fill=body, width=max(1, round(2 * half)))
        for x, y in ends:
            pen.ellipse((x - half, y - half, x + half, y + half), fill=body)

    def ball(p: np.ndarray, colour: Sequence[int], radius: float) -> None:
        d = depth(float(p[2]))
        r = radius * scale * (1.2 - 0.4 * d)
        x, y = place(p)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_mixed(_dark(colour), d))
        r *= 0.86
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_mixed(colour, d))
        light = tuple(round(c + 0.55 * (255 - c)) for c in colour)
        x, y, r = x - 0.3 * r, y - 0.3 * r, 0.32 * r
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_mixed(light, d))

    if below is not None:
        for i, j in drawing.bonds:
            pen.line([place(below[i]), place(below[j])], fill=CRYSTAL, width=2 * OVERSAMPLE)
    parts: list[tuple[float, Any]] = []
    bonded = set(drawing.bonds.flatten().tolist())
    thin = 0.6 if drawing.traces else 1.0
    for i, j in drawing.bonds:
        half = (shown[i] + shown[j]) / 2
        for end in (i, j):
            colour = COLOURS.get(drawing.elements[end], OTHER)
            z = float(shown[end][2] + half[2]) / 2
            parts.append((z, (stick, shown[end], half, colour, STICK * thin)))
    for k, p in enumerate(shown):
        colour = COLOURS.get(drawing.elements[k], OTHER)
        radius = BALL * thin if k in bonded else ION
        parts.append((float(p[2]), (ball, p, colour, radius)))
    for trace in drawing.traces:
        curve = smooth(shown[trace])
        for k in range(len(curve) - 1):
            colour = rainbow(k / max(1, len(curve) - 2))
            z = float(curve[k][2] + curve[k + 1][2]) / 2
            parts.append((z, (stick, curve[k], curve[k + 1], colour, TRACE)))
    for _, (draw, *arguments) in sorted(parts, key=lambda part: part[0]):
        draw(*arguments)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def sheet(drawings: Sequence[Drawing], size: int, columns: int) -> Any:
    """-> one Pillow image: pictures in rows, their captions below each. Pillow's own font is ASCII."""
    from PIL import Image, ImageDraw, ImageFont

    lines = max(len(d.caption) for d in drawings)
    line = 15
    height = size + lines * line + 8
    out = Image.new("RGB", (size * columns, height * -(-len(drawings) // columns)), PAPER)
    pen = ImageDraw.Draw(out)
    font = ImageFont.load_default(size=12)
    for k, drawing in enumerate(drawings):
        x, y = k % columns * size, k // columns * height
        out.paste(picture(drawing, size), (x, y))
        for n, text in enumerate(drawing.caption):
            whole = text
            while pen.textlength(text, font=font) > size - 12:
                whole = whole[:-1]
                text = whole + "..."
            fill = INK if n == 0 else MUTED
            pen.text((x + 6, y + size + n * line), text, fill=fill, font=font)
    return out
