"""A molecule pipeline with everything that the page can show, and exact networks: the tests' AlphaFold 3,
and a twin that answers proteins only, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor
from toy import ETHANOL, ExactNet, Toy, ToyView

from models.diffusion.sampler import Request, Run, sample
from models.pipeline import Frame, InputError, SampleSettings, sample_generators

LENGTH = 12  # residues
SEQUENCE = "ACDEFGHIKLMN"
NAMES = dict(zip(SEQUENCE, "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN".split(), strict=True))
BACKBONE = ("N", "CA", "C", "O")


def helix(radius: float, turn: float, rise: float) -> np.ndarray:
    """One atom per residue of an alpha helix, (LENGTH, 3) A."""
    angle = 1.745 * np.arange(LENGTH) + turn
    z = 1.5 * np.arange(LENGTH) + rise
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], 1)


PROTEIN = np.stack(
    [helix(1.55, -0.48, -0.88), helix(2.3, 0, 0), helix(1.7, 0.46, 1.08), helix(2.0, 0.42, 2.3)], 1
).reshape(-1, 3)  # fmt: skip
ZINC = np.array([[6.0, 0, 8]])
COMPLEX = np.concatenate([PROTEIN, np.add(ETHANOL, [-7, 0, 8]), ZINC]).astype(np.float32)


def described(protein: bool) -> dict[str, Any]:
    """Atoms, bonds and chains of the start event: a helix, ethanol and zinc, or ethanol alone."""
    atoms: list[dict[str, Any]] = []
    bonds: list[list[int]] = []
    for t, letter in enumerate(SEQUENCE if protein else ""):
        first = len(atoms)
        common = {"chain": "A", "kind": "protein", "residue_index": t + 1, "token": t, "charge": 0}
        atoms += [
            {**common, "element": name[0], "name": name, "residue": NAMES[letter]}
            for name in BACKBONE
        ]
        bonds += [[first, first + 1, 1], [first + 1, first + 2, 1], [first + 2, first + 3, 2]]
        if t:
            bonds.append([first - 2, first, 1])
    token, first = LENGTH if protein else 0, len(atoms)
    for k, name in enumerate(("C1", "C2", "O1")):
        atoms.append({"chain": "L", "kind": "ligand", "residue": "EOH", "residue_index": -1,
                      "token": token + k, "element": name[0], "name": name, "charge": 0})  # fmt: skip
    bonds += [[first, first + 1, 1], [first + 1, first + 2, 1]]
    chains = [{"id": "L", "kind": "ligand"}]
    if protein:
        atoms.append({"chain": "Z", "kind": "ion", "residue": "ZN", "residue_index": -1, "charge": 2,
                      "token": token + 3, "element": "Zn", "name": "ZN"})  # fmt: skip
        chains = [{"id": "A", "kind": "protein"}, *chains, {"id": "Z", "kind": "ion"}]
    return {"atoms": atoms, "bonds": bonds, "chains": chains, "training": "unseen"}


class MoleculeView(ToyView):
    def __init__(self, plan: Any, samples: int) -> None:
        super().__init__("molecule", samples)
        self.plan = plan
        self.frames = 0

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        self.frames += 1
        grown = 0.5 + 0.5 * (request.step + 1) / request.steps  # the exact guess would never change
        return super().frame(request, grown * denoised)

    def done(self, result: Tensor) -> dict[str, Any]:
        xyz, count = self.plan.mean, self.samples
        # Bands from the surest to the least sure, the second sample the best.
        plddt = np.stack(
            [np.linspace(95, 41, len(xyz)) - (3 if k != 1 else 0) for k in range(count)]
        )
        tokens = [a["token"] for a in self.plan.start["atoms"]]
        first = [tokens.index(t) + (1 if self.plan.protein and t < LENGTH else 0)
                 for t in range(max(tokens) + 1)]  # fmt: skip
        apart = np.linalg.norm(xyz[first][:, None] - xyz[first][None], axis=-1)
        means = plddt.mean(1).tolist()
        order = sorted(range(count), key=lambda k: -means[k])
        done: dict[str, Any] = {
            **super().done(result),
            "plddt": (plddt if count > 1 else plddt[0]).astype(np.float32),
            "distogram": (apart + 1).astype(np.float16),
            "reference": (xyz + np.float32([0, 1, 0])).astype(np.float32),
            "reference_name": "PDB 1TOY",
            "computed": (xyz + np.float32([0, 2, 0])).astype(np.float32),
            "computed_name": "ideal",
            "against_reference": {
                "lddt": np.linspace(0.2, 1, self.frames).tolist(),
                "rmsd": np.linspace(9, 0.5, self.frames).tolist(),
                "of": "CA",
            },
            "scores": {"lddt": 0.9, "rmsd_to_reference": 0.5, "plddt": means[0]},
            "calls": {"trunk": 1, "atoms": self.frames},
        }
        if count > 1:
            done["ranking"] = {"order": order, "score": means, "plddt": means}
        return done


class MoleculeToy(Toy):
    """{"protein"} draws a helix with ethanol and zinc beside it, anything else ethanol alone."""

    examples = (
        *({"label": f"Molecule {k}", "input": {"smiles": "C" * k + "O"}, "group": "Small molecules",
           "line": f"{k} carbons in a row", "training": "seen"} for k in range(2, 11)),
        {"label": "Helix", "input": {"protein": SEQUENCE, "profile": True}, "group": "Proteins",
         "line": "twelve residues", "training": "unseen"},
    )  # fmt: skip

    def __init__(self, id: str = "alphafold3") -> None:
        super().__init__("molecule", id=id)
        self.nets = {
            True: ExactNet(torch.from_numpy(COMPLEX), 0.01),
            False: ExactNet(torch.from_numpy(ETHANOL), 0.01),
        }
        self.asked: list[Mapping[str, Any]] = []

    def parse(self, input: Mapping[str, Any]) -> Any:
        if "how" in input:
            super().parse(input)
        self.asked.append(input)
        protein = "protein" in input
        mol = None if protein else Chem.MolFromSmiles("CCO")
        start = described(protein)
        chains = [SimpleNamespace(mol=mol)] * len(start["chains"])
        mean = COMPLEX if protein else ETHANOL
        return SimpleNamespace(protein=protein, start=start, mean=mean, chains=chains, notes=())

    def start(self, plan: Any, settings: SampleSettings) -> dict[str, Any]:
        stages = super().start("well", settings)["stages"]
        return {"stages": stages, "notes": [], "title": "a toy", **plan.start}

    def run(self, plan: Any, settings: SampleSettings) -> Run[Tensor]:
        net = self.nets[plan.protein]
        return (
            yield from sample(
                net,
                net.mean.shape,
                settings.build_schedule(net.sigma_data),
                sample_generators(settings.seed, settings.samples),
                cond=None,
                sampler=settings.sampler,
            )
        )

    def view(self, plan: Any, settings: SampleSettings) -> MoleculeView:
        return MoleculeView(plan, settings.samples)

    def let_go(self) -> None:
        for net in self.nets.values():
            net.let_go()


class TwinView(MoleculeView):
    def frame(self, request: Request, denoised: Tensor) -> Frame:
        return replace(super().frame(request, denoised), sigma=None, sigma_data=None)

    def done(self, result: Tensor) -> dict[str, Any]:
        done = super().done(result)
        return {
            key: done[key] for key in ("sample", "reference", "scores", "against_reference")
        } | {"calls": {"trunk": 1, "structure module": 8}}


class TwinToy(MoleculeToy):
    """Answers proteins only, and has no noise level."""

    uses = frozenset({"seed"})

    def __init__(self) -> None:
        super().__init__("alphafold2")

    def parse(self, input: Mapping[str, Any]) -> Any:
        if "protein" not in input:
            raise InputError("input", "has no residues, so there are no frames", "a protein")
        return super().parse(input)

    def start(self, plan: Any, settings: SampleSettings) -> dict[str, Any]:
        start = super().start(plan, settings)
        stage = {"name": "toy", "sigma_data": None, "sigmas": None, "unit": "block"}
        return {**start, "stages": [stage]}

    def view(self, plan: Any, settings: SampleSettings) -> TwinView:
        return TwinView(plan, settings.samples)
