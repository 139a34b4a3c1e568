"""The pipeline around small random networks: frames, refusals, batches and files."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from alphafold2.folds import TINY, save_tiny
from models.alphafold2.checkpoint import CHECKPOINT, TRUNK
from models.alphafold2.pipeline import AlphaFold2
from models.checkpoint import CheckpointError, fingerprint
from models.diffusion.sampler import run
from models.pipeline import InputError, used_settings

VILLIN = "LSDEDFKAVFGMTRSAFANLPLWLQQHLKKEKGLF"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> AlphaFold2:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    return AlphaFold2(folder)


def drive(pipeline, given):
    plan, settings = pipeline.parse(given), pipeline.defaults
    view, frames = pipeline.view(plan, settings), []
    result = run(
        pipeline.run(plan, settings),
        lambda request, answer: (
            frames.append(view.frame(request, answer)) if request.frame else None
        ),
    )
    return pipeline.start(plan, settings), frames, view.done(result)


def test_a_run_streams_every_block(pipeline):
    start, frames, done = drive(pipeline, {"protein": VILLIN})
    (stage,) = start["stages"]
    assert stage == {
        "name": "structure module", "steps": TINY.blocks, "sigma_data": None, "sigmas": None,
        "unit": "block",
    }  # fmt: skip
    assert len(start["atoms"]) == 4 * len(VILLIN) and start["chains"][0]["kind"] == "protein"
    assert [frame.step for frame in frames] == list(range(TINY.blocks))
    for frame in frames:
        assert frame.stage == "structure module" and frame.steps == TINY.blocks
        assert frame.sigma is None and frame.sigma_over_data is None and frame.log_snr is None
        assert frame.x.shape == frame.denoised.shape == (4 * len(VILLIN), 3)
        assert frame.x.dtype == frame.denoised.dtype == np.float32
    for before, after in pairwise(frames):
        assert np.array_equal(after.x, before.denoised)
    residues = frames[0].x.reshape(-1, 4, 3)
    assert np.abs(residues - residues[0]).max() < 1e-5  # it begins with all residues in one place
    assert done["calls"] == {"trunk": 1, "structure module": TINY.blocks}
    assert np.abs(done["sample"] - frames[-1].denoised).max() < 1e-3
    assert set(done["torsions"]) == {"phi", "psi", "omega"}
    assert all(len(angles) == len(VILLIN) for angles in done["torsions"].values())


def test_settling_runs_over_the_blocks_that_are_left(pipeline):
    _, _, done = drive(pipeline, {"protein": VILLIN})
    settling = done["settling"]
    assert settling["sigma_over_data"] == [None] * TINY.blocks
    assert settling["left"] == pytest.approx([1, 2 / 3, 1 / 3])
    bands = {band["name"]: band["error"] for band in settling["bands"]}
    assert bands["global"][0] == 1 and bands["global"][-1] < 1e-3


def test_there_is_one_answer_and_a_seed_is_all_that_is_accepted(pipeline):
    assert used_settings(pipeline) == {"seed"}
    first, second = (drive(pipeline, {"protein": VILLIN})[2]["sample"] for _ in range(2))
    assert np.array_equal(first, second)


def test_company_changes_nothing(pipeline):
    """Visitors whose chains differ in length share a forward of one block."""
    sequences = [VILLIN, VILLIN[:33], "GWK" * 11 + "AA"]
    alone = [
        run(pipeline.run(pipeline.parse({"protein": s}), pipeline.defaults)) for s in sequences
    ]
    runs = [pipeline.run(pipeline.parse({"protein": s}), pipeline.defaults) for s in sequences]
    waiting = [next(r) for r in runs]
    together = []
    while len(together) < len(runs):
        assert len({request.net.bucket(request) for request in waiting}) == 1
        with torch.inference_mode():
            answers = waiting[0].net.answer(waiting)
        for k, (r, answer) in enumerate(zip(runs, answers, strict=True)):
            try:
                waiting[k] = r.send(answer)
            except StopIteration as stop:
                together.append(stop.value)
    for a, b in zip(alone, together, strict=True):
        assert torch.allclose(a.fold.backbone, b.fold.backbone, atol=1e-3)


def test_short_peptides_are_backbones_here(pipeline):
    start, frames, _ = drive(pipeline, {"protein": "GWK"})
    assert len(start["atoms"]) == 12 == len(frames[0].x)


def test_several_chains_and_a_profile_run(pipeline):
    two = {"sequences": [{"protein": {"id": ["A", "B"], "sequence": VILLIN}}]}
    start, frames, _ = drive(pipeline, two)
    assert frames[-1].denoised.shape == (8 * len(VILLIN), 3)
    assert [chain["id"] for chain in start["chains"]] == ["A", "B"]
    assert any("chains" in note for note in start["notes"])
    shares = [[0.05] * 20 for _ in VILLIN]
    _, _, with_profile = drive(pipeline, {"protein": VILLIN, "profile": shares})
    alone = drive(pipeline, {"protein": VILLIN})[2]
    assert np.abs(with_profile["sample"] - alone["sample"]).max() > 1e-3


REFUSED = [
    ({"ccd": "CFF"}, "input.ccd", ("Caffeine (CFF)", "14 atoms", "not a chain of residues")),
    ({"smiles": "CCO"}, "input.smiles", ("CCO", "3 atoms")),
    ({"ccd": "ZN"}, "input.ccd", ("A zinc ion (ZN) is one atom", "three atoms are needed")),
    ({"ccd": "FE2"}, "input.ccd", ("An iron ion (FE2)",)),
    ({"ccd": "NAG"}, "input.ccd", ("is a sugar", "no table of its torsions")),
    ({"dna": "ACGTAC"}, "input.dna", ("DNA", "no N, CA and C")),
    ({"rna": "GGGGCCCC"}, "input.rna", ("RNA", "ribose")),
    (
        {
            "sequences": [
                {
                    "protein": {
                        "id": "A",
                        "sequence": VILLIN,
                        "modifications": [{"ptmType": "SEP", "ptmPosition": 2}],
                    }
                }
            ]
        },
        "input.sequences.0.protein.sequence",
        ("Residue 2 of chain A is phosphoserine (SEP)", "twenty standard amino acids"),
    ),
    (
        {
            "sequences": [
                {"protein": {"id": "A", "sequence": "KPYPCGLCNRCFTRRDLLIRHAQKIHS"}},
                {"ligand": {"id": "Z", "ccdCodes": ["ZN"]}},
            ]
        },
        "input.sequences.1.ligand.ccdCodes.0",
        ("zinc ion",),
    ),
    (
        {"sequences": [{"protein": {"id": "A", "sequence": "HHH", "positions": [94, 96, 119]}}]},
        "input.sequences.0.protein.sequence",
        ("cut-out of single residues",),
    ),
]


@pytest.mark.parametrize(("given", "field", "words"), REFUSED)
def test_whatever_has_no_frame_is_refused_with_its_name_and_the_reason(
    pipeline, given, field, words
):
    with pytest.raises(InputError) as caught:
        pipeline.parse(given)
    assert caught.value.field == field
    for word in words:
        assert word in caught.value.message
    assert "20 standard amino acids" in caught.value.accepted


def test_nonsense_is_told_as_alphafold3_tells_it(pipeline):
    with pytest.raises(InputError) as caught:
        pipeline.parse({"protein": "ACD1"})
    assert caught.value.field == "input.protein"


def test_every_example_is_a_protein_with_an_answer(pipeline):
    assert len(pipeline.examples) >= 3
    for example in pipeline.examples:
        assert pipeline.parse(example["input"]).slots == 4
        assert example["training"] in ("seen", "similar", "unseen") and example["line"]


def test_a_module_of_another_trunk_is_refused_by_both_names(tmp_path):
    save_tiny(tmp_path)
    with (tmp_path / TRUNK).open("ab") as file:
        file.write(b" ")  # trained again, say
    fingerprint.cache_clear()
    with pytest.raises(CheckpointError, match=TRUNK) as caught:
        AlphaFold2(tmp_path)
    assert CHECKPOINT in str(caught.value) and fingerprint(tmp_path / TRUNK) in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=CHECKPOINT):
        AlphaFold2(tmp_path)
    save_tiny(tmp_path)
    (tmp_path / TRUNK).rename(tmp_path / "elsewhere")
    fingerprint.cache_clear()
    with pytest.raises(CheckpointError, match=TRUNK):
        AlphaFold2(tmp_path)
