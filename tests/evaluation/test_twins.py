"""What the comparison of AlphaFold 2 and 3 measures, on shapes whose answers are known."""

import torch
from alphafold2.folds import ideal_helix, rotation

from models.evaluation.twins import geometry, paired, seconds, spread, turns

HELIX = ideal_helix(16)
MIRROR = HELIX * torch.tensor([1.0, 1.0, -1.0])


def flat(*backbones: torch.Tensor) -> torch.Tensor:
    """Samples as pipelines give them: (S, 4 T, 3)."""
    return torch.stack(backbones).flatten(1, 2)


def test_four_steps_of_a_helix_turn_by_fifty_degrees():
    assert torch.allclose(turns(HELIX[:, 1]), torch.tensor(50.0), atol=4)
    assert torch.allclose(turns(MIRROR[:, 1]), -turns(HELIX[:, 1]), atol=1e-2)


def test_a_helix_is_whole_and_right_handed_and_its_mirror_image_is_not():
    right, wrong = (geometry([flat(x)], [HELIX]) for x in (HELIX, MIRROR))
    assert right == {
        "peptide_bonds_broken": 0, "residues_clashing": 0, "helix_turns_right_handed": 1,
    }  # fmt: skip
    assert wrong["helix_turns_right_handed"] == 0
    half = geometry([flat(HELIX, MIRROR)], [HELIX])
    assert half["helix_turns_right_handed"] == 0.5


def test_torn_chains_and_clashes_are_counted():
    torn = HELIX.clone()
    torn[8:] += 3.0
    assert abs(geometry([flat(torn)], [HELIX])["peptide_bonds_broken"] - 1 / 15) < 1e-4
    heap = torch.zeros_like(HELIX)
    assert geometry([flat(heap)], [HELIX])["residues_clashing"] == 1


def test_one_answer_has_no_spread_and_turning_it_adds_none():
    assert spread(flat(HELIX)) == 0
    turned = HELIX @ rotation(0).T + 5.0
    assert spread(flat(HELIX, turned)) < 1e-3
    assert spread(flat(HELIX, MIRROR)) > 1


def test_differences_are_taken_crop_by_crop():
    noise = torch.randn(HELIX.shape, generator=torch.Generator().manual_seed(0))
    good, bad = [flat(HELIX)] * 3, [flat(HELIX + 3 * noise)] * 3
    table = paired(good, bad, [HELIX] * 3)
    assert table["lddt"]["difference"] > 0.2 and table["lddt"]["alphafold2_ahead_share"] == 1
    assert table["lddt"]["low"] > 0
    back = paired(bad, good, [HELIX] * 3)
    assert back["lddt"]["difference"] == -table["lddt"]["difference"]


def test_timings_leave_out_the_first_call():
    calls = []
    assert seconds(lambda: calls.append(1)) >= 0
    assert len(calls) == 6
