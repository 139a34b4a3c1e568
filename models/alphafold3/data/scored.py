"""Scored samples as batches for the confidence head: one class and size each, in a seeded order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.rollouts import Rollout, Source
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.features import Features, collate
from models.alphafold3.structure import Structure, padded
from models.diffusion.sampler import Network, Request

# Share of the steps by class of structures.
SHARES = {"molecules": 0.45, "proteins": 0.3, "structures": 0.25}


@dataclass(frozen=True)
class Batch:
    """B structures with S samples each: what the head reads, and the lDDT of every slot (B, S, M), NaN
    where there is none."""

    x: Tensor
    single: Tensor
    pair: Tensor
    distogram: Tensor
    ideal: tuple[Tensor, Tensor]
    features: Features
    lddt: Tensor

    @property
    def inputs(self) -> tuple[Any, ...]:
        """As :meth:`ConfidenceHead.forward` takes them."""
        return self.x, self.single, self.pair, self.distogram, self.ideal, self.features

    def to(self, device: str) -> Batch:
        return Batch(
            self.x.to(device),
            self.single.to(device).float(),
            self.pair.to(device).float(),
            self.distogram.to(device).float(),
            (self.ideal[0].to(device), self.ideal[1].to(device)),
            self.features.to(device),
            self.lddt.to(device),
        )


class Rollouts:
    """The samples in batches of one class and size. The trunk's answer for a structure is computed once
    and kept (float16), because every epoch asks for it again."""

    def __init__(
        self,
        model: StructureModel,
        trunk: Network,
        sources: Mapping[str, Source],
        kept: Sequence[Rollout],
        cells: int = 65536,
    ) -> None:
        self.model, self.trunk, self.sources = model, trunk, sources
        self.kept, self.cells = kept, cells
        self.structure = cache(self._structure)
        self.answer = cache(self._answer)
        self.groups: dict[str, dict[tuple[int, int, int], list[int]]] = {}
        for k, one in enumerate(kept):
            graph = self.structure(k).graph
            key = graph.slots, padded(graph.size), len(one.xyz)
            self.groups.setdefault(one.source, {}).setdefault(key, []).append(k)

    def _structure(self, k: int) -> Structure:
        one = self.kept[k]
        return self.sources[one.source].structure(one.number)

    def _answer(self, k: int) -> tuple[Tensor, Tensor]:
        nothing = torch.zeros(1)
        with torch.inference_mode():
            asked = Request(self.trunk, nothing, nothing, self.structure(k), frame=False)
            (told,) = self.trunk.answer([asked])
        return told.single.half(), told.pair.half()

    def batch(self, chosen: Sequence[int]) -> Batch:
        """Structures of one group; padded as the server pads them."""
        structures = [self.structure(k) for k in chosen]
        slots, size = structures[0].graph.slots, padded(max(s.graph.size for s in structures))
        features = collate([s.arrays for s in structures], slots, size)
        config, copies = self.model.config, len(self.kept[chosen[0]].xyz)
        x = torch.zeros(len(chosen), copies, size * slots, 3)
        lddt = torch.full(x.shape[:3], torch.nan)
        single = torch.zeros(len(chosen), size, config.single)
        pair = torch.zeros(len(chosen), size, size, config.pair)
        for b, k in enumerate(chosen):
            t, atoms = structures[b].graph.size, structures[b].atoms
            x[b][:, atoms] = torch.from_numpy(self.kept[k].xyz)
            lddt[b][:, atoms] = torch.from_numpy(self.kept[k].lddt)
            single[b, :t], pair[b, :t, :t] = self.answer(k)
        with torch.no_grad():
            distogram = self.model.distogram(pair)
            ideal = self.model.module.ideal(features)
        return Batch(x, single, pair, distogram, ideal, features, lddt)

    def _draw(self, name: str, rng: np.random.Generator) -> Batch:
        groups = self.groups[name]
        keys = list(groups)
        often = np.array([len(groups[key]) for key in keys], float)
        key = keys[int(rng.choice(len(keys), p=often / often.sum()))]
        _, size, copies = key
        count = max(1, self.cells // (copies * size**2))
        members = groups[key]
        return self.batch(rng.choice(members, min(count, len(members)), replace=False).tolist())

    def endless(self, seed: tuple[int, ...]) -> Iterator[Batch]:
        rng = np.random.default_rng(seed)
        names = list(self.groups)
        share = np.array([SHARES[name] for name in names])
        while True:
            yield self._draw(str(rng.choice(names, p=share / share.sum())), rng)

    def all(self) -> Iterator[Batch]:
        """Every structure once."""
        for groups in self.groups.values():
            for (_, size, copies), members in groups.items():
                count = max(1, self.cells // (copies * size**2))
                for start in range(0, len(members), count):
                    yield self.batch(members[start : start + count])
