"""Invariances of the structure module, and that it can learn at all."""

from dataclasses import replace

import torch

from alphafold2.folds import RESIDUE, TINY, ideal_helix, random_module, rotation
from models.alphafold2.frames import Frames
from models.alphafold2.losses import fold_losses
from models.alphafold2.structure_module import StructureModule

T = 9


def answer(tokens: int = T, seed: int = 1):
    """A trunk's answer and a mask."""
    generator = torch.Generator().manual_seed(seed)
    single = torch.randn(2, tokens, TINY.trunk_single, generator=generator)
    pair = torch.randn(2, tokens, tokens, TINY.trunk_pair, generator=generator)
    return single, pair, torch.ones(2, tokens, dtype=torch.bool)


def test_attention_does_not_see_how_the_whole_stands():
    module, (single, pair, mask) = random_module(), answer()
    fold, initial, pair = module.begin(single, pair)
    fold = module.step(fold, initial, pair, mask)  # frames that stand apart
    assert fold.frames.origin.std() > 1
    whole = Frames(rotation(5).expand(2, T, 3, 3), torch.tensor([8.0, -30.0, 4.0]).expand(2, T, 3))
    unit = 1 / TINY.unit
    out, moved = (
        module.attention(fold.single, pair, frames.scaled(unit), mask)
        for frames in (fold.frames, whole.compose(fold.frames))
    )
    assert torch.allclose(out, moved, atol=1e-4)
    mirrored = Frames(fold.frames.rotation, -fold.frames.origin)
    assert not torch.allclose(out, module.attention(fold.single, pair, mirrored, mask), atol=1e-2)


def test_a_turned_fold_goes_on_turned():
    module, (single, pair, mask) = random_module(), answer()
    fold, initial, pair = module.begin(single, pair)
    fold = module.step(fold, initial, pair, mask)
    turn, shift = rotation(6), torch.tensor([3.0, 40.0, -9.0])
    whole = Frames(turn.expand(2, T, 3, 3), shift.expand(2, T, 3))
    plain = module.step(fold, initial, pair, mask)
    moved = module.step(replace(fold, frames=whole.compose(fold.frames)), initial, pair, mask)
    assert torch.allclose(plain.backbone @ turn.T + shift, moved.backbone, atol=1e-3)
    assert torch.allclose(plain.torsions, moved.torsions, atol=1e-4)


def test_padding_changes_nothing():
    module, (single, pair, mask) = random_module(), answer()
    alone = module(single, pair, mask)[-1]
    wide_single, wide_pair = torch.full((2, 14, 12), 7.0), torch.full((2, 14, 14, 6), -7.0)
    wide_single[:, :T], wide_pair[:, :T, :T] = single, pair
    wide_mask = torch.arange(14).expand(2, 14) < T
    padded = module(wide_single, wide_pair, wide_mask)[-1]
    assert torch.allclose(alone.backbone, padded.backbone[:, :T], atol=1e-3)


def test_a_fresh_module_leaves_all_residues_in_one_place():
    torch.manual_seed(0)
    module = StructureModule(TINY)
    module.residue.copy_(RESIDUE)
    last = module(*answer())[-1]
    assert last.frames.origin.abs().max() == 0
    assert torch.allclose(last.backbone[:, :, :3], RESIDUE[:3].expand(2, T, 3, 3))


def test_bonds_inside_residues_never_break():
    """That is what a frame is: whatever the weights say, N, CA, C and O stay as far apart as they are."""
    backbone = random_module()(*answer())[-1].backbone
    for i, j in ((0, 1), (1, 2), (0, 2)):
        distance = (backbone[:, :, i] - backbone[:, :, j]).norm(dim=-1)
        assert torch.allclose(distance, (RESIDUE[i] - RESIDUE[j]).norm(), atol=1e-4)
    carbonyl = (backbone[:, :, 2] - backbone[:, :, 3]).norm(dim=-1)
    assert torch.allclose(carbonyl, RESIDUE[3].norm(), atol=1e-4)


def test_it_learns_a_helix_and_its_hand():
    torch.manual_seed(0)
    config = replace(TINY, single=32, hidden=8, blocks=2)
    module = StructureModule(config)
    module.residue.copy_(RESIDUE)
    single, pair, mask = (part[:1] for part in answer())
    truth, chain = ideal_helix(T)[None], torch.zeros(1, T, dtype=torch.long)
    optimizer = torch.optim.Adam(module.parameters(), 8e-3)
    errors = []
    for _ in range(40):
        losses = fold_losses(module(single, pair, mask), truth, chain, mask)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        errors.append(float(losses["fape"]))
    assert errors[-1] < 0.5 * errors[0]
