"""The confidence head: how far every atom of a sample can be trusted, as its expected lDDT.

After Abramson et al. 2024 (supplement, algorithm 31): the trunk's representations without gradient, the
sample's own distances added to the pairs in bins, a small pairformer, and 50 bins of lDDT per atom. Three
things are added, which a head of a quarter of a million weights cannot find out by itself: how well each
distance agrees with the trunk's own distogram, the mean of an atom's pairs (lDDT is a mean over pairs),
and a few numbers about the atom's surroundings. None of it changes when the sample is turned.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.features import Features, collate
from models.alphafold3.graph import ATOM_TYPES
from models.alphafold3.structure import Conditioned, padded
from models.alphafold3.trunk import DISTANCE_EDGES, PairformerBlock, Transition
from models.checkpoint import CheckpointError, load
from models.config import from_json
from models.diffusion.sampler import Request

CHECKPOINT = "alphafold3-confidence.safetensors"
BINS = 50  # of lDDT, 0..1
TOLERANCES = (0.5, 1.0, 2.0, 4.0)  # A, those of the lDDT
EDGES = (*(1 + 0.5 * k for k in range(18)), *(10.0 + k for k in range(11)))  # A, bins of distances
CUTOFF = 15.0  # A, the lDDT's
SHELLS = (4.0, 6.0, 8.0, 10.0, 12.0, 15.0)  # A
MOST_CELLS = 2**17  # pairs of tokens times samples in one forward
LOCAL = 4 + len(SHELLS)  # numbers per atom, see surroundings


@dataclass(frozen=True)
class ConfidenceConfig:
    """Sizes. ``trunk_single`` and ``trunk_pair`` are those of the trunk that is read."""

    trunk_single: int = 192
    trunk_pair: int = 48
    single: int = 80
    pair: int = 32
    triangle: int = 16
    heads: int = 4
    blocks: int = 2
    atom: int = 64


def gather_atoms(x: Tensor, index: Tensor) -> Tensor:
    """x: (B, S, M, 3), index: (B, ...) -> (B, S, ..., 3)"""
    flat = index.flatten(1)[:, None, :, None].expand(-1, x.shape[1], -1, 3)
    return x.gather(2, flat).unflatten(2, index.shape[1:])


def agreement(logits: Tensor, distance: Tensor) -> Tensor:
    """The distogram's probability that the true distance lies within each of TOLERANCES of a given one.

    logits: (B, T, T, K) over the bins parted by DISTANCE_EDGES, distance: (B, S, T, T) A
    -> (B, S, T, T, 4). Probability is even inside a bin; the outermost bins are as wide as the others.
    """
    share = nn.functional.pad(logits.float().softmax(-1).cumsum(-1), (1, 0))  # (B, T, T, K + 1)
    share = share[:, None].expand(-1, distance.shape[1], -1, -1, -1)
    first, width = DISTANCE_EDGES[0], DISTANCE_EDGES[1] - DISTANCE_EDGES[0]
    top = logits.shape[-1]

    def below(limit: Tensor) -> Tensor:
        place = ((limit - first) / width + 1).clamp(0, top)
        low = place.floor().clamp_max(top - 1).long()
        here = share.gather(-1, low)
        return here + (place - low) * (share.gather(-1, low + 1) - here)

    reach, middle = distance.new_tensor(TOLERANCES), distance.unsqueeze(-1)
    return below(middle + reach) - below(middle - reach)


def surroundings(
    x: Tensor, middle: Tensor, features: Features, ideal: tuple[Tensor, Tensor]
) -> Tensor:
    """What a sample looks like around each atom: (B, S, M, LOCAL).

    0, 1: mean stretch of its bonds and of its 1-3 distances against the ideal ones, in 0.1 A, at most
    10; 2, 3: triple product of a stereocentre's neighbours, positive in the right hand, and whether the
    atom is one; then how many tokens stand within SHELLS of it, as ln(1 + n).
    x: (B, S, M, 3), middle: (B, S, T, 3) A, the tokens' representatives.
    """
    columns = []
    for index, known, length in (
        (features.near, features.near_mask[:, None], ideal[0]),
        (features.second, features.second_mask[:, None], ideal[1]),
    ):
        gap = (gather_atoms(x, index) - x.unsqueeze(-2)).norm(dim=-1)
        stretch = (gap - length[:, None]).abs().clamp_max(1.0) * known
        columns.append(10 * stretch.sum(-1) / known.sum(-1).clamp_min(1))
    neighbours = gather_atoms(x, features.handed[:, :, 0]) - x.unsqueeze(-2)
    a, b, c = nn.functional.normalize(neighbours, dim=-1).unbind(-2)
    centre = features.centre[:, None].expand(x.shape[:3])
    columns += [(a * torch.linalg.cross(b, c, dim=-1)).sum(-1) * centre, centre]
    distance = torch.cdist(x, middle)
    there = features.token_mask[:, None, None]
    columns += [torch.log1p(((distance < shell) & there).sum(-1).float()) for shell in SHELLS]
    return torch.stack(columns, -1)


class ConfidenceHead(nn.Module):
    """Logits over BINS of lDDT per atom slot."""

    def __init__(self, config: ConfidenceConfig) -> None:
        super().__init__()
        self.config = config
        self.single = nn.Linear(config.trunk_single, config.single, bias=False)
        self.trunk_pair = nn.Linear(config.trunk_pair, config.pair, bias=False)
        self.distance = nn.Embedding(len(EDGES) + 1, config.pair)
        self.agreement = nn.Linear(len(TOLERANCES), config.pair)
        # Without triangle attention: its memory grows with the cube of the tokens, and here it would be
        # spent once per sample.
        self.blocks = nn.ModuleList(
            PairformerBlock(config.single, config.pair, config.triangle, config.heads)
            for _ in range(config.blocks)
        )
        self.norm_pair = nn.LayerNorm(config.pair)
        self.pooled = nn.Linear(config.pair + len(TOLERANCES), config.single)
        self.norm_single = nn.LayerNorm(config.single)
        self.token_in = nn.Linear(config.single, config.atom)
        self.atom_type = nn.Embedding(len(ATOM_TYPES), config.atom)
        self.local = nn.Linear(LOCAL, config.atom)
        self.atom_mix = Transition(config.atom)
        self.norm_out = nn.LayerNorm(config.atom)
        self.out = nn.Linear(config.atom, BINS)
        nn.init.zeros_(self.out.weight)

    def forward(
        self,
        x: Tensor,
        single: Tensor,
        pair: Tensor,
        distogram: Tensor,
        ideal: tuple[Tensor, Tensor],
        features: Features,
    ) -> Tensor:
        """x: (B, S, M, 3) A, single: (B, T, c), pair: (B, T, T, c), distogram: logits (B, T, T, K),
        ideal: lengths of the bonds and 1-3 distances of ``features`` in A -> (B, S, M, BINS)."""
        batch, copies = x.shape[:2]
        mask = features.token_mask
        there = mask[:, :, None] & mask[:, None, :]
        with torch.autocast(x.device.type, enabled=False):  # distances need float32
            middle = gather_atoms(x.float(), features.representative)
            gap = torch.cdist(middle, middle)
            within = agreement(distogram, gap)
            local = surroundings(x.float(), middle, features, ideal)
        place = torch.bucketize(gap, torch.tensor(EDGES, device=x.device))
        z = self.agreement(within) + self.trunk_pair(pair)[:, None]
        z = z + self.distance(place).to(z.dtype)
        s = self.single(single)[:, None].expand(-1, copies, -1, -1)
        s, z = s.flatten(0, 1), z.flatten(0, 1)
        rows = mask.repeat_interleave(copies, 0)
        pair_mask = there.repeat_interleave(copies, 0).unsqueeze(-1).to(z.dtype)
        for block in self.blocks:
            s, z = block(s, z, rows, pair_mask)
        # lDDT is a mean over the pairs of an atom, so such a mean is shown to it.
        close = (there[:, None] & (gap < CUTOFF)).flatten(0, 1).unsqueeze(-1)
        shown = torch.cat([self.norm_pair(z), within.flatten(0, 1).to(z.dtype)], -1) * close
        s = s + self.pooled(shown.sum(2) / close.sum(2).clamp_min(1))
        tokens = self.token_in(self.norm_single(s)).unflatten(0, (batch, copies))
        atoms = tokens.repeat_interleave(features.slots, 2)
        atoms = atoms + self.atom_type(features.atom_types)[:, None] + self.local(local)
        atoms = atoms + self.atom_mix(atoms)
        return self.out(self.norm_out(atoms)).float()


def plddt(logits: Tensor) -> Tensor:
    """Expected lDDT x 100. (..., BINS) -> (...) in 0..100"""
    centres = (torch.arange(BINS, device=logits.device) + 0.5) * (100 / BINS)
    return (logits.softmax(-1) * centres).sum(-1)


class ConfidenceNetwork:
    """Answers a finished sample with its pLDDT: a request's x is (S, N, 3) A, its cond a
    :class:`Conditioned`, the answer (S, N). sigma is not read."""

    name = "confidence"
    sigma_data = 1.0

    def __init__(self, model: StructureModel, head: ConfidenceHead) -> None:
        self.model = model
        self.head = head

    def bucket(self, request: Request) -> Hashable:
        graph = request.cond.structure.graph
        return graph.slots, padded(graph.size), len(request.x)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Pairs of tokens in the samples of one forward, and computed with the padding."""
        sizes = [request.cond.structure.graph.size for request in requests]
        copies = len(requests[0].x)
        return copies * sum(s**2 for s in sizes), copies * len(sizes) * padded(max(sizes)) ** 2

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        """In parts of at most MOST_CELLS pairs, one sample at least: samples do not see each other, and
        each takes a kilobyte per pair."""
        if self.cells(requests)[1] <= MOST_CELLS:
            return self._answer(requests)
        if len(requests) > 1:
            half = len(requests) // 2
            return self.answer(requests[:half]) + self.answer(requests[half:])
        (request,) = requests
        if len(request.x) == 1:
            return self._answer(requests)
        halves = (replace(request, x=x) for x in request.x.tensor_split(2))
        return [torch.cat([self.answer([half])[0] for half in halves])]

    def _answer(self, requests: Sequence[Request]) -> list[Tensor]:
        conds: list[Conditioned] = [request.cond for request in requests]
        structures = [cond.structure for cond in conds]
        slots = structures[0].graph.slots
        size, copies = padded(max(s.graph.size for s in structures)), len(requests[0].x)
        features = collate([s.arrays for s in structures], slots, size)
        x = torch.zeros(len(requests), copies, size * slots, 3)
        single = torch.zeros(len(requests), size, conds[0].single.shape[-1])
        pair = torch.zeros(len(requests), size, size, conds[0].pair.shape[-1])
        for b, (request, cond) in enumerate(zip(requests, conds, strict=True)):
            t = cond.structure.graph.size
            x[b][:, cond.structure.atoms] = request.x.float()
            single[b, :t], pair[b, :t, :t] = cond.single, cond.pair
        logits = self.head(
            x, single, pair, self.model.distogram(pair), self.model.module.ideal(features), features
        )
        rows = plddt(logits)
        return [rows[b][:, s.atoms] for b, s in enumerate(structures)]


class NoConfidence(RuntimeError):
    """There is no head for these weights; the message is a sentence for the visitor."""


def load_head(path: Path, weights: str) -> ConfidenceHead:
    """The trained head, ready to answer. ``weights``: fingerprint of the structure model's checkpoint,
    whose representations the head must have been trained to read.

    Raises NoConfidence when the file is missing or belongs to other weights, CheckpointError when it
    cannot be read.
    """
    if not path.is_file():
        raise NoConfidence(
            f"No confidence: {path.name} is missing (python -m models train confidence)."
        )
    state, header = load(path)
    if header["meta"].get("weights") != weights:
        raise NoConfidence(
            f"No confidence: {path.name} was trained on the samples of other weights than these."
        )
    try:
        head = ConfidenceHead(from_json(ConfidenceConfig, header["config"]))
        head.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(path, f"does not fit this code ({error})") from error
    return head.eval().requires_grad_(False)
