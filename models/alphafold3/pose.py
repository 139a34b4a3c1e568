"""How the frames of a run are laid over each other, so that a molecule does not tumble on the way.

In numpy: a frame has some hundred atoms, for which torch's twenty calls cost more than their arithmetic.
"""

from __future__ import annotations

import numpy as np


class Pose:
    """Lays every estimate onto the one before, all atoms alike, and its noisy state along with it."""

    def __init__(self) -> None:
        self.last: np.ndarray | None = None  # (S, N, 3) A, the estimate before as shown

    def lay(self, x: np.ndarray, denoised: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """State and estimate (S, N, 3) A as they are shown; the first estimate stays where it is."""
        x = x - middle(x)
        if self.last is not None:
            turn, shift = fit(denoised, self.last)
            x, denoised = x @ turn + shift, denoised @ turn + shift
        self.last = denoised
        return x, denoised


def middle(x: np.ndarray) -> np.ndarray:
    """(S, N, 3) -> (S, 1, 3), as a product: numpy's own mean along that axis is slow and rounds more."""
    return np.full((1, x.shape[-2]), 1 / x.shape[-2], x.dtype) @ x


def fit(moving: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``moving @ turn + shift`` has the least squared distance to ``fixed``: (S, N, 3) twice ->
    (S, 3, 3), (S, 1, 3). Kabsch's algorithm with the determinant corrected, as in
    :func:`models.alphafold3.geometry.rigid_fit`: a mirror image is never used."""
    mean, target = middle(moving), middle(fixed)
    covariance = np.swapaxes(moving - mean, -1, -2) @ (fixed - target)
    u, _, vh = np.linalg.svd(covariance.astype(np.float64))
    mirrored = np.linalg.det(u @ vh) < 0
    vh[mirrored, -1] *= -1
    turn = (u @ vh).astype(moving.dtype)
    return turn, target - mean @ turn
