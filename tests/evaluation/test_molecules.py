"""The scores themselves: a perfect answer, a mirror image, a swapped symmetric atom, known differences."""

import json
from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from models.alphafold3.network import AtomsNetwork
from models.evaluation import molecules_drawing, molecules_samplers
from models.evaluation.molecules_classes import class_of
from models.evaluation.molecules_scores import Judged, Row, Task, best_rms, judge, rms_to, score
from models.evaluation.molecules_sheets import reason, worst
from models.evaluation.molecules_tables import against, by_size, interval, mean, summary
from models.pipeline import SampleSettings, ScheduleSpec


def embedded(smiles: str) -> tuple[Chem.Mol, np.ndarray]:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    heavy = Chem.RemoveHs(mol)
    return heavy, heavy.GetConformer().GetPositions()


@pytest.fixture(scope="module")
def glucose() -> tuple[Chem.Mol, np.ndarray]:
    return embedded("OC[C@H]1O[C@H](O)[C@H](O)[C@@H](O)[C@@H]1O")


def test_a_perfect_answer_scores_perfectly(glucose):
    mol, xyz = glucose
    row = score(mol, np.stack([xyz, xyz + 5]), xyz, busted=0)
    assert row.stereo == [True, True] and max(row.rmsd) < 1e-3
    assert row.bonds < 1e-6 and row.angles < 1e-4
    assert row.spread < 1e-3  # the same answer twice is no diversity


def test_a_mirror_image_has_good_bonds_but_the_wrong_hand(glucose):
    mol, xyz = glucose
    row = score(mol, (xyz * [1, 1, -1])[None], xyz, busted=0)
    assert row.stereo == [False] and row.rmsd[0] > 0.3 and row.bonds < 1e-6


def test_posebusters_is_asked_for_the_first_samples_and_once_for_the_energy(glucose):
    pytest.importorskip("posebusters")
    mol, xyz = glucose
    pressed = xyz.copy()
    pressed[0] = pressed[1] + [0.4, 0, 0]
    found = judge(Task(mol, xyz, np.stack([xyz, pressed, xyz]), etkdg=2, busted=2, full=True))
    assert found.model is not None and found.etkdg is not None
    assert found.model.valid == [True, False] and found.model.full is True
    assert "bond_lengths" in found.model.failed[1]
    assert reason(found.model, 0) == "" and "bond lengths" in reason(found.model, 1)
    assert found.etkdg.valid == [True, True] and found.etkdg.stereo == [True, True]


def test_symmetric_atoms_may_be_swapped():
    mol, xyz = embedded("CC(C)c1ccccc1")
    swapped = xyz[[2, 1, 0, 3, 8, 7, 6, 5, 4]]
    assert best_rms(mol, swapped, xyz) < 1e-3
    to_crystal, spread = rms_to(mol, np.stack([xyz, swapped]), xyz)
    assert max(to_crystal) < 1e-3 and spread < 1e-3


def test_distances_between_samples_are_those_of_each_pair(glucose):
    mol, xyz = glucose
    rng = np.random.default_rng(0)
    several = np.stack([xyz + rng.normal(0, s, xyz.shape) for s in (0.1, 0.3, 0.6)])
    to_crystal, spread = rms_to(mol, several, xyz)
    assert to_crystal == pytest.approx([best_rms(mol, x, xyz) for x in several], abs=1e-4)
    pairs = [best_rms(mol, several[i], several[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert spread == pytest.approx(np.mean(pairs), abs=1e-4)


def row(size: int = 10, rmsd: tuple[float, ...] = (1.0, 2.0), **given) -> Row:
    base = Row(size, True, [True] * len(rmsd), list(rmsd), 0.5, 0.02, 2.0, [True], [[]])
    return replace(base, **given)


def test_sizes_and_shares_are_counted():
    rows = [
        row(10, full=True),
        row(30, (3.0, 4.0), valid=[False], failed=[["x"]], full=False),
        row(30, (0.5, 0.7), stereo=[False, True], full=True),
    ]
    table = by_size(rows)
    assert [table[name]["molecules"] for name in ("all", "8-20", "21-40")] == [3, 1, 2]
    whole = table["all"]
    assert whole["posebusters"] == pytest.approx(2 / 3, abs=1e-4)
    assert whole["posebusters_full"] == pytest.approx(2 / 3, abs=1e-4)
    assert whole["posebusters_and_stereo"] == pytest.approx(1 / 3, abs=1e-4)
    assert whole["stereo"] == pytest.approx(5 / 6, abs=1e-4)
    assert whole["rmsd_best_of_1_A"]["mean"] == pytest.approx(1.5)
    assert whole["rmsd_mean_A"] == pytest.approx((1.5 + 3.5 + 0.6) / 3, abs=1e-4)
    assert whole["rmsd_best_of_2_A"]["median"] == 1.0
    assert summary([]) == {"molecules": 0}
    assert "posebusters_full" not in summary([row()])


def test_the_interval_holds_the_mean_and_shrinks():
    rng = np.random.default_rng(3)
    few, many = rng.normal(0.3, 1, 50), rng.normal(0.3, 1, 5000)
    low, high = interval(few.tolist())
    assert low < few.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 50**0.5, rel=0.25)
    closer = interval(many.tolist())
    assert closer[0] < 0.3 < closer[1] and closer[1] - closer[0] < (high - low) / 5


def test_the_95_percent_interval_holds_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(1)
    held = [
        low < 1 < high
        for low, high in (
            interval(rng.normal(1, 2, 80).tolist(), resamples=500) for _ in range(200)
        )
    ]
    assert 0.9 < np.mean(held) < 0.99


def test_the_difference_is_paired_and_leaves_out_what_was_not_drawn():
    pairs = [
        Judged(row(rmsd=(1.0, 0.6)), row(rmsd=(2.0, 1.8))),
        Judged(row(rmsd=(3.0, 2.0)), row(rmsd=(2.5, 2.4))),
        Judged(row(), None),
    ]
    found = against(pairs)["all"]
    assert found["best_of_1"]["molecules"] == 2
    assert found["best_of_1"]["difference_A"] == pytest.approx(-0.25)
    assert found["best_of_1"]["model_nearer_share"] == 0.5
    assert found["best_of_samples"]["difference_A"] == pytest.approx(-0.8)
    assert found["best_of_samples"]["model_nearer_share"] == 1.0
    assert found["best_of_samples"]["high_A"] < 0


def test_the_worst_are_invalid_first_then_wrong_hands_then_far():
    rows = [
        row(rmsd=(9.0, 1.0)),
        row(stereo=[True, False]),
        row(valid=[False], failed=[["internal_steric_clash"]]),
    ]
    assert worst(rows, 3) == [
        (2, 0, "internal steric clash"),
        (1, 1, "wrong hand"),
        (0, 0, "furthest from the crystal"),
    ]


def test_classes_are_those_of_the_dictionary():
    assert class_of("D-saccharide, beta linking") == "saccharides"
    assert class_of("L-PEPTIDE LINKING") == "modified_residues"
    assert class_of("DNA LINKING") == "nucleotides" and class_of("NON-POLYMER") == "small_molecules"
    assert class_of("peptide-like") == ""


def test_samplers_differ_in_what_their_names_say():
    ours = SampleSettings(steps=40, sampler="af3", step_scale=1.5, noise_scale=1.003, samples=3)
    published = SampleSettings(steps=200, sampler="af3", schedule=ScheduleSpec("af3"), gamma_0=0.8)
    found = molecules_samplers.compared(ours, published)
    calls = {name: molecules_samplers.calls(settings) for name, settings in found.items()}
    assert calls["default"] == calls["euler"] == 40 and calls["heun"] == 39
    assert calls["published"] == 200 and calls["published_in_as_many_steps"] == 40
    assert all(settings.samples == 3 for settings in found.values())
    assert found["euler"].step_scale == 1 and found["euler"].gamma_0 == 0


def test_the_fixed_ids_are_two_hundred_codes():
    codes = json.loads(molecules_drawing.IDS.read_text())["codes"]
    assert len(codes) == len(set(codes)) == molecules_drawing.MOLECULES


def test_nothing_to_average_is_no_number():
    assert mean([]) is None and mean([1, 2]) == 1.5


def test_the_network_alone_is_the_same_one_without_steering():
    shared = AtomsNetwork.__new__(AtomsNetwork)
    pipeline = molecules_drawing.Networks(None, None, {1: shared})  # type: ignore[arg-type]
    alone = molecules_drawing.without_steering(pipeline)
    assert alone.atoms[1].steering is False and shared.steering is True
