"""Rigid frames of residues and the torsion angles between their atoms. float32 or better, A."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TORSIONS = ("phi", "psi", "omega")
_EPS = 1e-8


@dataclass(frozen=True)
class Frames:
    """Rigid motions x -> rotation x + origin, one per residue. rotation: (..., 3, 3), origin: (..., 3)."""

    rotation: Tensor
    origin: Tensor

    @staticmethod
    def identity(*shape: int, device: torch.device | None = None) -> Frames:
        """All frames in one place, unturned: AlphaFold 2's "black hole" that folding starts from."""
        rotation = torch.eye(3, device=device).expand(*shape, 3, 3)
        return Frames(rotation, torch.zeros(*shape, 3, device=device))

    def apply(self, points: Tensor) -> Tensor:
        """Points (..., P, 3) of each frame's own axes -> where they stand."""
        return points @ self.rotation.transpose(-1, -2) + self.origin.unsqueeze(-2)

    def invert_apply(self, points: Tensor) -> Tensor:
        """Points (..., P, 3) -> the same as seen from each frame."""
        return (points - self.origin.unsqueeze(-2)) @ self.rotation

    def compose(self, inner: Frames) -> Frames:
        """First ``inner``, then this."""
        return Frames(
            self.rotation @ inner.rotation, self.apply(inner.origin.unsqueeze(-2)).squeeze(-2)
        )

    def inverse(self) -> Frames:
        back = self.rotation.transpose(-1, -2)
        return Frames(back, -(back @ self.origin.unsqueeze(-1)).squeeze(-1))

    def scaled(self, factor: float) -> Frames:
        """The same frames in another unit of length."""
        return Frames(self.rotation, self.origin * factor)

    def without_turning_gradient(self) -> Frames:
        """Gradients of later blocks reach earlier ones through the origins alone, as in the paper: long
        products of rotations would make them unstable."""
        return Frames(self.rotation.detach(), self.origin)


def _unit(v: Tensor) -> Tensor:
    return v / (v.square().sum(-1, keepdim=True) + _EPS).sqrt()


def frames_from_backbone(backbone: Tensor) -> Frames:
    """Frames of residues by Gram-Schmidt (Jumper et al. 2021, supplement, algorithm 21): origin at CA,
    x axis towards C, N in the xy plane. backbone: (..., T, 4, 3) N CA C O -> (..., T)"""
    n, ca, c = backbone[..., 0, :], backbone[..., 1, :], backbone[..., 2, :]
    x = _unit(c - ca)
    towards_n = n - ca
    y = _unit(towards_n - (towards_n * x).sum(-1, keepdim=True) * x)
    return Frames(torch.stack([x, y, torch.linalg.cross(x, y)], -1), ca)


def rotation_from_quaternion(vector: Tensor) -> Tensor:
    """The rotation of the quaternion (1, b, c, d), normalised (algorithm 23): small numbers turn a
    little, and no numbers turn more than half round. vector: (..., 3) -> (..., 3, 3)"""
    a = (1 + vector.square().sum(-1)).rsqrt()
    b, c, d = (vector * a.unsqueeze(-1)).unbind(-1)
    rows = (
        (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
        (2 * (b * c + a * d), a * a - b * b + c * c - d * d, 2 * (c * d - a * b)),
        (2 * (b * d - a * c), 2 * (c * d + a * b), a * a - b * b - c * c + d * d),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def torsion(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """(cos, sin) of the angle by which d is turned against a around the bond b-c (IUPAC's sign).

    (..., 3) each -> (..., 2)
    """
    axis = _unit(c - b)
    left = torch.linalg.cross(b - a, axis)
    right = torch.linalg.cross(axis, d - c)
    cosine = (left * right).sum(-1)
    sine = (torch.linalg.cross(left, right) * axis).sum(-1)
    return _unit(torch.stack([cosine, sine], -1))


def backbone_torsions(backbone: Tensor, chain: Tensor) -> tuple[Tensor, Tensor]:
    """phi, psi and omega of every residue as (cos, sin), and where they exist.

    phi and omega need the residue before; psi is read off the residue's own O, which lies opposite to
    the next N. backbone: (..., T, 4, 3), chain: (..., T) -> (..., T, 3, 2), (..., T, 3) bool
    """
    n, ca, c, o = backbone.unbind(-2)
    psi = -torsion(n, ca, c, o)
    phi, omega = torch.zeros_like(psi), torch.zeros_like(psi)
    phi[..., 1:, :] = torsion(c[..., :-1, :], n[..., 1:, :], ca[..., 1:, :], c[..., 1:, :])
    omega[..., 1:, :] = torsion(ca[..., :-1, :], c[..., :-1, :], n[..., 1:, :], ca[..., 1:, :])
    linked = torch.zeros(psi.shape[:-1], dtype=torch.bool, device=psi.device)
    linked[..., 1:] = chain[..., 1:] == chain[..., :-1]
    known = torch.stack([linked, torch.ones_like(linked), linked], -1)
    return torch.stack([phi, psi, omega], -2), known


def place_backbone(frames: Frames, psi: Tensor, residue: Tensor) -> Tensor:
    """N, CA, C from the frame and O from the frame and psi (algorithm 24, as far as a backbone goes).

    frames: (..., T), psi: (..., T, 2) unit (cos, sin), residue: (4, 3) A: N, CA and C of an average
    residue in its own frame, and the way from C to O (along CA-C, across it, 0).  -> (..., T, 4, 3)
    """
    fixed = residue[:3].expand(*psi.shape[:-1], 3, 3)
    # O is opposite to the next N, from which psi counts: its own angle is psi turned by half a circle.
    across = -psi * residue[3, 1]
    along = residue[3, 0].expand_as(across[..., :1])
    oxygen = torch.cat([along, across], -1) + residue[2]
    return frames.apply(torch.cat([fixed, oxygen.unsqueeze(-2)], -2))


def average_residue(backbone: Tensor) -> Tensor:
    """The rigid parts of a residue, measured: means over residues (R, 4, 3) in their own frames.
    -> (4, 3) A, as :func:`place_backbone` wants them"""
    local = frames_from_backbone(backbone).invert_apply(backbone)
    mean = local.mean(0)
    bond = local[:, 3] - local[:, 2]
    mean[3] = torch.stack([bond[:, 0].mean(), bond[:, 1:].norm(dim=-1).mean(), bond.new_zeros(())])
    for atom, places in ((0, slice(2, 3)), (1, slice(0, 3)), (2, slice(1, 3))):
        mean[atom, places] = 0.0  # exactly in the plane, at the origin and on the axis
    return mean
