"""Global then local, measured: at which noise level each scale of a sample stops changing.

The error of every frame's ``denoised`` against the final sample, split by scale and normalised to 1 at
the first frame. A curve settles at the level where it last falls under 10 %. This is a measurement of
one run, not a law: "diffusion is spectral autoregression" has a published rebuttal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SETTLED = 0.1
IMAGE_BANDS = (  # radial spatial frequency in cycles per picture: [from, to)
    ("low", "layout and colours (up to 2 cycles per picture)", 0.0, 2.5),
    ("middle", "shapes (3 to 6 cycles)", 2.5, 6.5),
    ("high", "edges and texture (more than 6 cycles)", 6.5, np.inf),
)
LONG_RANGE = 4  # bonds apart; nearer pairs are fixed by bonds, angles and a single torsion
MAX_PAIRS = 5_000
TOGETHER = 2**14  # pairs looked at together, of several frames where they are few


@dataclass(frozen=True)
class Trace:
    """What a view keeps of each frame: where it stands and its denoised estimate (float32)."""

    stage: str
    step: int
    sigma_over_data: float
    denoised: np.ndarray


def settled_at(errors: Sequence[float], levels: Sequence[float]) -> float | None:
    """The level (sigma / sigma_data) of the first frame after which the error stays under 10 %; None
    if the last frame is still above. errors and levels: one per frame, noise first."""
    above = [i for i, error in enumerate(errors) if error >= SETTLED]
    if not above:
        return float(levels[0])
    return None if above[-1] == len(errors) - 1 else float(levels[above[-1] + 1])


def shared_axis(frames: Sequence[Trace]) -> list[Trace]:
    """The frames that a shared noise axis shows: a later stage takes over below its first level."""
    shown: list[Trace] = []
    for frame in frames:
        if shown and frame.stage != shown[-1].stage:
            shown = [f for f in shown if f.sigma_over_data > frame.sigma_over_data]
        shown.append(frame)
    return shown


def _curves(
    frames: Sequence[Trace], bands: Sequence[tuple[str, str, str, np.ndarray]]
) -> dict[str, Any]:
    levels = [frame.sigma_over_data for frame in frames]
    out = []
    for name, label, unit, errors in bands:
        start = float(errors[0])
        curve = (errors / start if start > 0 else np.zeros_like(errors)).astype(float)
        out.append(
            {
                "name": name,
                "label": label,
                "unit": unit,
                "start": round(start, 4),
                "error": [round(float(e), 5) for e in curve],
                "settled_at": settled_at(curve.tolist(), levels),
            }
        )
    return {
        "bands": out,
        "sigma_over_data": [float(v) for v in levels],
        "stage": [frame.stage for frame in frames],
        "step": [frame.step for frame in frames],
    }


def _reduced(picture: np.ndarray, side: int) -> np.ndarray:
    """Block averages: (h, w, c) -> (side, side, c) float64; h and w are multiples of side."""
    height, width, colours = picture.shape
    rows = picture.astype(np.float64).reshape(side, height // side, width * colours).mean(1)
    return rows.reshape(side, side, width // side, colours).mean(2)


def band_powers(pictures: np.ndarray) -> np.ndarray:
    """How much of the mean square of pictures (F, s, s, c), summed over colours, is in each of IMAGE_BANDS.
    -> (bands, F)

    Only the few frequencies of the lower bands are computed; the highest band holds what they leave of
    the whole (Parseval), at a tenth of the time of whole Fourier transforms.
    """
    count, side, _, colours = pictures.shape
    frequency = np.fft.fftfreq(side) * side
    frequency = frequency[np.abs(frequency) < IMAGE_BANDS[-1][2]]
    waves = np.exp(-2j * np.pi / side * np.outer(frequency, np.arange(side)))  # (K, s)
    waves = waves.astype(np.complex64)
    flat = pictures.astype(np.float32).reshape(count, side, side * colours)
    both = np.concatenate([waves.real, waves.imag]) @ flat  # (F, 2 K, s c)
    down = both[:, : len(waves)] + 1j * both[:, len(waves) :]
    found = waves @ down.reshape(count, len(waves), side, colours)  # (F, K, K, c)
    power = (found.real**2 + found.imag**2).sum(-1, dtype=np.float64) / side**4
    radius = np.hypot(frequency[:, None], frequency[None, :])
    lower = [
        power[:, (radius >= low) & (radius < high)].sum(1) for _, _, low, high in IMAGE_BANDS[:-1]
    ]
    whole = np.square(flat).sum((1, 2), dtype=np.float64) / side**2
    return np.stack([*lower, np.maximum(0.0, whole - np.sum(lower, 0))])


def image_settling(frames: Sequence[Trace], final: np.ndarray) -> dict[str, Any]:
    """Curves per spatial-frequency band. frames: denoised (h, w, 3) in [-1, 1]; final: (H, W, 3).

    Stages differ in size. A frame is compared with the final reduced to the frame's own size, which is
    what a perfect frame of that stage would show. What the final holds inside that size's pixels is
    error of the high band: an early stage cannot show it.
    """
    shown = shared_axis(frames)
    sizes = np.array([len(frame.denoised) for frame in shown])
    whole = float(np.square(final, dtype=np.float64).mean((0, 1)).sum())
    errors = np.zeros((len(IMAGE_BANDS), len(shown)))
    for size in set(sizes.tolist()):
        reduced, mine = _reduced(final, size), np.flatnonzero(sizes == size)
        errors[:, mine] = band_powers(np.stack([shown[i].denoised for i in mine]) - reduced)
        errors[-1, mine] += max(0.0, whole - float((reduced**2).mean((0, 1)).sum()))
    return _curves(
        shown,
        [
            (name, label, "pixel RMS", np.sqrt(error))
            for (name, label, _, _), error in zip(IMAGE_BANDS, errors, strict=True)
        ],
    )


def graph_distances(atoms: int, bonds: np.ndarray, within: int | None = None) -> np.ndarray:
    """Bonds between each pair of atoms, (N, N) int16; unconnected pairs, and with ``within`` all pairs
    more than that apart, get 32767. bonds: (M, 2)."""
    far = np.iinfo(np.int16).max
    distance = np.full((atoms, atoms), far, np.int16)
    np.fill_diagonal(distance, 0)
    neighbours: list[list[int]] = [[] for _ in range(atoms)]
    for i, j in bonds:
        neighbours[int(i)].append(int(j))
        neighbours[int(j)].append(int(i))
    for source in range(atoms):
        queue = [source]
        for atom in queue:
            if within is not None and distance[source, atom] >= within:
                break  # the queue is in order of distance: nothing nearer follows
            for other in neighbours[atom]:
                if distance[source, other] == far:
                    distance[source, other] = distance[source, atom] + 1
                    queue.append(other)
    return distance


def molecule_settling(
    frames: Sequence[Trace], final: np.ndarray, bonds: np.ndarray
) -> dict[str, Any]:
    """Curves for long-range distances, 1-3 distances (angles) and bond lengths, in A.

    frames: denoised (N, 3); final: (N, 3); bonds: (M, 2) from the input graph. Distances do not see
    rotations, so no alignment is needed. A molecule too small for a scale has no curve for it.
    """
    # This runs between other visitors' steps, so it looks no further than the scales need.
    apart = graph_distances(len(final), bonds, within=LONG_RANGE - 1)
    upper = np.triu(np.ones_like(apart, bool), 1)
    scales: Mapping[str, tuple[str, np.ndarray]] = {
        "global": ("distances between far atoms", upper & (apart >= LONG_RANGE)),
        "angles": ("distances across angles", upper & (apart == 2)),
        "bonds": ("bond lengths", upper & (apart == 1)),
    }
    rng = np.random.default_rng(0)
    shown = np.stack([frame.denoised for frame in frames])
    bands = []
    for name, (label, chosen) in scales.items():
        pairs = np.argwhere(chosen)
        if len(pairs) == 0:
            continue
        if len(pairs) > MAX_PAIRS:
            pairs = pairs[rng.choice(len(pairs), MAX_PAIRS, replace=False)]
        true = _lengths(final, pairs)
        together = max(1, TOGETHER // len(pairs))
        errors = [
            np.sqrt(np.mean((_lengths(shown[k : k + together], pairs) - true) ** 2, axis=-1))
            for k in range(0, len(shown), together)
        ]
        bands.append((name, label, "Å", np.concatenate(errors)))
    return _curves(frames, bands)


def particle_settling(frames: Sequence[Trace], final: np.ndarray) -> dict[str, Any]:
    """Curves for a cloud of particles: distances between distant and between close ones.

    frames: denoised (P, 2); final: (P, 2). 2,000 random pairs are split at the median distance into the
    drop's layout and its parts; the third curve is every particle's own position.
    """
    pairs = np.random.default_rng(0).integers(0, len(final), (2000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    true = _lengths(final, pairs)
    far = true >= np.median(true)

    def error(frame: Trace, chosen: np.ndarray) -> float:
        return float(np.sqrt(np.mean((_lengths(frame.denoised, pairs) - true)[chosen] ** 2)))

    positions = [float(np.sqrt(np.mean((frame.denoised - final) ** 2))) for frame in frames]
    unit = "drop sizes"
    return _curves(
        frames,
        [
            ("far", "far particles", unit, np.asarray([error(f, far) for f in frames])),
            ("near", "near particles", unit, np.asarray([error(f, ~far) for f in frames])),
            ("position", "single positions", unit, np.asarray(positions)),
        ],
    )


def _lengths(positions: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """positions: (..., N, d) -> (..., P) of pairs (P, 2)"""
    gap = positions.take(pairs[:, 0], -2) - positions.take(pairs[:, 1], -2)
    return np.sqrt(np.einsum("...d,...d->...", gap, gap))
