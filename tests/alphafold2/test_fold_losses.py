"""What the structure module is trained on."""

import torch

from alphafold2.folds import ideal_helix, random_module, rotation
from models.alphafold2.frames import backbone_torsions, frames_from_backbone
from models.alphafold2.losses import (
    CLAMP,
    LENGTH_SCALE,
    broken_links,
    clashes,
    fape,
    fold_losses,
    torsion_loss,
)

HELIX = ideal_helix(10)[None]
MASK = torch.ones(1, 10, dtype=torch.bool)


def error(predicted, true=HELIX, mask=MASK, unclamped=0.0):
    frames, true_frames = frames_from_backbone(predicted), frames_from_backbone(true)
    return float(fape(frames, predicted, true_frames, true, mask, unclamped))


def test_the_truth_has_no_error_however_it_is_turned():
    assert error(HELIX) < 2e-3  # the square root's own rounding term
    moved = HELIX @ rotation(0).T + torch.tensor([20.0, 0.0, -7.0])
    assert error(moved) < 2e-3


def test_the_mirror_image_is_an_error():
    mirror = HELIX * torch.tensor([1.0, 1.0, -1.0])
    distances = [torch.cdist(x[0, :, 1], x[0, :, 1]) for x in (HELIX, mirror)]
    assert torch.allclose(*distances, atol=1e-4)  # distances alone cannot tell
    assert error(mirror) > 0.2


def test_errors_are_clamped_unless_told_otherwise():
    torn = HELIX.clone()
    torn[:, 5:] += 1000.0
    assert error(torn) <= CLAMP / LENGTH_SCALE
    assert error(torn, unclamped=0.1) > 5


def test_padding_does_not_count():
    wrong = HELIX + torch.randn(HELIX.shape, generator=torch.Generator().manual_seed(0))
    alone = error(wrong)
    padded = [torch.cat([x, torch.full((1, 6, 4, 3), 30.0)], 1) for x in (wrong, HELIX)]
    mask = torch.cat([MASK, torch.zeros(1, 6, dtype=torch.bool)], 1)
    assert abs(error(*padded, mask=mask) - alone) < 1e-5


def test_torsions_are_compared_on_the_circle():
    true, known = backbone_torsions(HELIX, torch.zeros(1, 10, dtype=torch.long))
    turn, length = torsion_loss(3 * true, true, known)
    assert turn < 1e-6 and abs(length - 2) < 1e-4  # the angle is right, the length is not
    opposite, _ = torsion_loss(-true, true, known)
    assert abs(opposite - 4) < 1e-4


def test_a_whole_chain_is_no_violation_and_a_torn_one_is():
    linked = torch.ones(1, 10, dtype=torch.bool)
    assert broken_links(HELIX, linked) < 0.01
    torn = HELIX.clone()
    torn[:, 5:] += 5.0
    assert broken_links(torn, linked) > 0.02
    linked[:, 5] = False  # two chains
    assert broken_links(torn, linked) < 0.01


def test_residues_in_one_place_clash():
    assert clashes(HELIX, MASK) == 0
    assert clashes(torch.zeros_like(HELIX), MASK) > 3


def test_every_part_of_the_module_is_taught():
    module = random_module().requires_grad_(True)
    single, pair = torch.randn(1, 10, 12), torch.randn(1, 10, 10, 6)
    folds = module(single, pair, MASK)
    chain = torch.zeros(1, 10, dtype=torch.long)
    fold_losses(folds, HELIX, chain, MASK, violations=0.1)["loss"].backward()
    silent = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    # The same bias on every key's logit changes nothing after the softmax; there is no such parameter.
    assert silent == []


def test_violations_count_when_they_are_asked_for():
    module = random_module()
    folds = module(torch.randn(1, 10, 12), torch.randn(1, 10, 10, 6), MASK)
    chain = torch.zeros(1, 10, dtype=torch.long)
    without, with_them = (fold_losses(folds, HELIX, chain, MASK, w)["loss"] for w in (0.0, 1.0))
    assert with_them > without
