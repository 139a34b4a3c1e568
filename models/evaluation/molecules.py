"""Scores the structure model on molecules and protein crops it has not seen; beside it RDKit's ETKDG.

Molecules: 200 of the strict 2024+ pool (ids fixed in ``molecule_ids.json``). Every number is of raw
samples: nothing is relaxed, filtered or drawn again. Proteins: held-out 64-residue crops, sequence
only, beside the lDDT that an unrelated crop of the same length reaches by chance.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolAlign
from torch import Tensor
from tqdm import tqdm

from models.alphafold3.chemistry import comparable_smiles, graph_molecule, with_conformer
from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.store import Molecules
from models.alphafold3.geometry import augment, lddt, rmsd
from models.alphafold3.network import Structure
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.polymer import CA, backbone_graph
from models.checkpoint import CHECKPOINTS
from models.diffusion.sampler import Request, Run, sample
from models.pipeline import SampleSettings, sample_generators

IDS = Path(__file__).parent / "molecule_ids.json"
METRICS = "alphafold3-metrics.json"
MOLECULES, DRAW_SEED, SAMPLE_SEED = 200, 20260, 7
SAMPLES, BUSTED = 10, 2  # samples per molecule; how many of them PoseBusters looks at
CROPS = 100
NAMED = {"caffeine": {"ccd": "CFF"}, "aspirin": {"ccd": "AIN"}, "ATP": {"ccd": "ATP"}}


def run_together(runs: Sequence[Run[Any]], structures: int = 12) -> list[Any]:
    """Drives many runs, answering requests of equal network and bucket in one forward. -> results"""
    results: list[Any] = [None] * len(runs)
    waiting = {k: next(generator) for k, generator in enumerate(runs)}
    bar = tqdm(total=len(runs), unit="run")
    while waiting:
        # One bucket's runs go from start to end together, so that few noisy states are alive.
        groups: dict[Any, list[int]] = defaultdict(list)
        for k, request in waiting.items():
            groups[id(request.net), request.net.bucket(request)].append(k)
        chosen = max(groups.values(), key=lambda ks: waiting[ks[0]].step)[:structures]
        requests: list[Request] = [waiting[k] for k in chosen]
        # Training's own precision: thousands of samples, and no visitor whose seed must repeat.
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            answers = requests[0].net.answer(requests)
        for k, answer in zip(chosen, answers, strict=True):
            try:
                waiting[k] = runs[k].send(answer)
            except StopIteration as stop:
                results[k] = stop.value
                del waiting[k]
                bar.update()
    bar.close()
    return results


def draw_ids(molecules: Molecules) -> list[str]:
    """200 codes of the strict pool with 8-40 heavy atoms and a crystal conformer."""
    counts = molecules["atom_counts"]
    pool = (
        (molecules["split"] == "test") & molecules["has_crystal"] & (counts >= 8) & (counts <= 40)
    )
    codes = np.sort(molecules["code"][pool])
    return np.random.default_rng(DRAW_SEED).permutation(codes)[:MOLECULES].tolist()


def sample_structures(
    pipeline: AlphaFold3, structures: Sequence[Structure], settings: SampleSettings
) -> list[Tensor]:
    """(samples, N, 3) A for every structure, as the pipeline would draw them."""

    def draw(structure: Structure, number: int) -> Run[Tensor]:
        net = pipeline.atoms[structure.graph.slots]
        empty = torch.zeros(1)
        conditioned = yield Request(pipeline.trunk, empty, empty, structure, frame=False)
        return (
            yield from sample(
                net,
                (len(structure.atoms), 3),
                settings.build_schedule(net.sigma_data),
                sample_generators(settings.seed, settings.samples, stream=number),
                cond=conditioned,
                sampler=settings.sampler,
                noise_scale=settings.noise_scale,
                step_scale=settings.step_scale,
                augment=augment,
            )
        )

    return run_together([draw(s, k) for k, s in enumerate(structures)])


def _bust(mols: Sequence[Chem.Mol]) -> tuple[list[bool], dict[str, int]]:
    """PoseBusters' mol_fast checks. -> (all passed, per molecule), failures by check"""
    from posebusters import PoseBusters

    table = PoseBusters("mol_fast").bust(list(mols), None, None)
    passed = table.astype(bool)
    failed = {str(name): int((~passed[name]).sum()) for name in passed if not passed[name].all()}
    return passed.all(axis=1).tolist(), failed


def best_rms(mol: Chem.Mol, xyz: np.ndarray, reference: np.ndarray) -> float:
    """Heavy-atom RMSD after alignment, over the molecule's symmetries (at most 2,000 of them). A"""
    probe, target = with_conformer(mol, xyz), with_conformer(mol, reference)
    return float(rdMolAlign.GetBestRMS(probe, target, maxMatches=2000))


def _etkdg(mol: Chem.Mol, count: int, seed: int) -> np.ndarray | None:
    """(count, N, 3) conformers of RDKit's ETKDGv3, or None where embedding fails."""
    full = Chem.AddHs(mol)
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    if len(rdDistGeom.EmbedMultipleConfs(full, count, parameters)) < count:
        return None
    heavy = mol.GetNumAtoms()
    return np.stack([c.GetPositions()[:heavy] for c in full.GetConformers()])


class _Scores:
    """Collects one method's numbers per molecule and sums them up by size."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.drawn: list[Chem.Mol] = []

    def add(self, mol: Chem.Mol, conformers: np.ndarray, crystal: np.ndarray) -> None:
        wanted = comparable_smiles(mol, crystal)
        graph_bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()])
        angles = _angle_triples(mol)
        self.rows.append(
            {
                "size": mol.GetNumAtoms(),
                "has_stereo": any(mark in wanted for mark in "@/\\"),
                "stereo": [comparable_smiles(mol, xyz) == wanted for xyz in conformers],
                "rmsd": [best_rms(mol, xyz, crystal) for xyz in conformers],
                "bonds": float(
                    np.mean([_gap(_lengths, xyz, crystal, graph_bonds) for xyz in conformers])
                ),
                "angles": float(
                    np.mean([_gap(_degrees, xyz, crystal, angles) for xyz in conformers])
                ),
                "looked_at": min(BUSTED, len(conformers)),
            }
        )
        self.drawn += [with_conformer(mol, xyz) for xyz in conformers[:BUSTED]]

    def summary(self) -> dict[str, Any]:
        passed, failed = _bust(self.drawn)
        start = 0
        for row in self.rows:
            row["valid"] = passed[start : start + row["looked_at"]]
            start += row["looked_at"]
        groups: dict[str, Callable[[int], bool]] = {
            "all": lambda n: True,
            "8-20": lambda n: n <= 20,
            "21-40": lambda n: n > 20,
        }
        out: dict[str, Any] = {
            name: _summary([row for row in self.rows if chosen(row["size"])])
            for name, chosen in groups.items()
        }
        out["posebusters_failures"] = failed
        return out


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    stereo = [row for row in rows if row["has_stereo"]]
    first = np.array([row["rmsd"][0] for row in rows])
    best = np.array([min(row["rmsd"]) for row in rows])
    both = [v and s for row in rows for v, s in zip(row["valid"], row["stereo"], strict=False)]
    return {
        "molecules": len(rows),
        "posebusters": _mean([v for row in rows for v in row["valid"]]),
        "posebusters_and_stereo": _mean(both),
        "stereo_molecules": len(stereo),
        "stereo": _mean([s for row in stereo for s in row["stereo"]]),
        "bond_mae_A": _mean([row["bonds"] for row in rows]),
        "angle_mae_deg": _mean([row["angles"] for row in rows]),
        "rmsd_best_of_1_A": {"mean": _mean(first), "median": _round(np.median(first))},
        "rmsd_best_of_10_A": {"mean": _mean(best), "median": _round(np.median(best))},
    }


def _round(value: Any) -> float:
    return round(float(value), 4)


def _mean(values: Any) -> float | None:
    return _round(np.mean(values)) if len(values) else None


def _lengths(xyz: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=-1)


def _degrees(xyz: np.ndarray, triples: np.ndarray) -> np.ndarray:
    a, b = xyz[triples[:, 0]] - xyz[triples[:, 1]], xyz[triples[:, 2]] - xyz[triples[:, 1]]
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def _gap(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    xyz: np.ndarray,
    crystal: np.ndarray,
    index: np.ndarray,
) -> float:
    return float(np.abs(measure(xyz, index) - measure(crystal, index)).mean())


def _angle_triples(mol: Chem.Mol) -> np.ndarray:
    found = []
    for atom in mol.GetAtoms():
        near = [n.GetIdx() for n in atom.GetNeighbors()]
        found += [(a, atom.GetIdx(), b) for k, a in enumerate(near) for b in near[k + 1 :]]
    return np.array(found)


def _chosen(data: Molecules, limit: int) -> list[int]:
    place = {str(code): k for k, code in enumerate(data["code"])}
    return [place[code] for code in json.loads(IDS.read_text())["codes"][:limit]]


def score_molecules(pipeline: AlphaFold3, data: Molecules, limit: int) -> dict[str, Any]:
    """The model on ``limit`` of the 200 molecules."""
    index = _chosen(data, limit)
    settings = replace(pipeline.defaults, seed=SAMPLE_SEED, samples=SAMPLES)
    drawn = sample_structures(pipeline, [Structure(data.graph(i)) for i in index], settings)
    scores = _Scores()
    for i, samples in zip(tqdm(index, "scores"), drawn, strict=True):
        scores.add(graph_molecule(data.graph(i)), samples.numpy(), data.conformer(i, "crystal"))
    return scores.summary()


def score_etkdg(data: Molecules, limit: int) -> dict[str, Any]:
    """RDKit's ETKDGv3, told the same graph and stereochemistry, on the same molecules."""
    scores, unembedded = _Scores(), 0
    for i in tqdm(_chosen(data, limit), "ETKDG"):
        mol, crystal = graph_molecule(data.graph(i)), data.conformer(i, "crystal")
        tagged = with_conformer(mol, crystal)
        Chem.AssignStereochemistryFrom3D(tagged, replaceExistingTags=True)
        conformers = _etkdg(tagged, SAMPLES, SAMPLE_SEED)
        if conformers is None:
            unembedded += 1
        else:
            scores.add(mol, conformers, crystal)
    return scores.summary() | {"not_embedded": unembedded}


def score_named(pipeline: AlphaFold3) -> dict[str, Any]:
    """Molecules everybody knows: ten samples each, how many are right."""
    out = {}
    for name, given in NAMED.items():
        plan = pipeline.parse(given)
        settings = replace(pipeline.defaults, seed=SAMPLE_SEED, samples=SAMPLES)
        (samples,) = sample_structures(pipeline, [plan.structure], settings)
        mol = plan.chains[0].mol
        assert mol is not None and plan.reference is not None
        crystal = plan.reference.numpy()
        wanted = comparable_smiles(mol, crystal)
        valid, failed = _bust([with_conformer(mol, xyz) for xyz in samples.numpy()])
        stereo = [comparable_smiles(mol, xyz) == wanted for xyz in samples.numpy()]
        rms = [best_rms(mol, xyz, crystal) for xyz in samples.numpy()]
        out[name] = {
            "posebusters": sum(valid),
            "stereo": sum(stereo),
            "right": sum(v and s for v, s in zip(valid, stereo, strict=True)),
            "of": SAMPLES,
            "rmsd_best_A": _round(min(rms)),
            "failures": failed,
            "training": plan.training,
        }
    return out


def score_proteins(pipeline: AlphaFold3, cache: Path, limit: int) -> dict[str, Any]:
    """lDDT over CA of one sample per held-out crop; floor: the crop before it as the prediction."""
    data = Proteins(cache / "proteins/proteins.npz")
    pool = np.flatnonzero((data["split"] == "test") & (data["count"] == 64))
    index = np.random.default_rng(DRAW_SEED).permutation(pool)[:limit]
    structures = [Structure(backbone_graph(data["residues"][data.span(int(i))])) for i in index]
    settings = replace(pipeline.defaults, seed=SAMPLE_SEED)
    drawn = sample_structures(pipeline, structures, settings)
    truth = [torch.from_numpy(data.backbone(int(i)))[:, CA] for i in index]
    predicted = [x[0].unflatten(0, (-1, 4))[:, CA] for x in drawn]
    everything = torch.ones(64, dtype=torch.bool)
    groups: dict[str, list[int]] = {"all": list(range(len(index)))}
    for name, letter in (("mostly helix", "H"), ("mostly strand", "E")):
        share = [float((data["dssp"][data.span(int(i))] == ord(letter)).mean()) for i in index]
        groups[name] = [k for k, s in enumerate(share) if s > (0.5 if letter == "H" else 0.35)]
    bonds = np.concatenate([_backbone_bonds(x[0].unflatten(0, (-1, 4)).numpy()) for x in drawn])
    out: dict[str, Any] = {"peptide_bond_A": {"mean": _mean(bonds), "std": _round(bonds.std())}}
    for name, members in groups.items():
        scores = [float(lddt(predicted[k], truth[k], everything)) for k in members]
        floor = [float(lddt(truth[k - 1], truth[k], everything)) for k in members]
        distance = [float(rmsd(predicted[k], truth[k], everything)) for k in members]
        out[name] = {
            "crops": len(members),
            "lddt_ca": _mean(scores),
            "lddt_ca_floor": _mean(floor),
            "rmsd_ca_A": _mean(distance),
        }
    return out


def _backbone_bonds(backbone: np.ndarray) -> np.ndarray:
    """C(t) - N(t+1) lengths. (T, 4, 3) -> (T - 1,) A"""
    return np.linalg.norm(backbone[:-1, 2] - backbone[1:, 0], axis=-1)


def evaluate(
    out_json: Path = CHECKPOINTS / METRICS,
    cache: Path = Path("cache"),
    molecules: int = MOLECULES,
    crops: int = CROPS,
) -> dict[str, Any]:
    """Writes and returns all scores. Needs the caches, posebusters and some minutes."""
    started = time.perf_counter()
    data = Molecules(cache / "molecules/molecules.npz")
    comparator = score_etkdg(data, molecules)
    pipeline = AlphaFold3()
    metrics: dict[str, Any] = {
        "checkpoint": dict(pipeline.checkpoints),
        "seeds": {"draw": DRAW_SEED, "sample": SAMPLE_SEED},
        "settings": {
            "steps": pipeline.defaults.steps,
            "sampler": pipeline.defaults.sampler,
            "step_scale": pipeline.defaults.step_scale,
            "gamma_0": pipeline.defaults.gamma_0,
            "precision": "bfloat16 matrix products",
        },
        "molecules": {
            "pool": "Chemical Component Dictionary, 2024+, Tanimoto < 0.5 to all earlier, new scaffold",
            "samples_per_molecule": SAMPLES,
            "posebusters_config": "mol_fast",
            "posebusters_samples_per_molecule": BUSTED,
            "twofold": score_molecules(pipeline, data, molecules),
            "etkdg_v3": comparator,
        },
        "named": score_named(pipeline),
        "proteins": score_proteins(pipeline, cache, crops),
    }
    metrics["seconds"] = round(time.perf_counter() - started, 1)
    out_json.write_text(json.dumps(metrics, indent=1) + "\n")
    print(json.dumps(metrics, indent=1))
    return metrics
