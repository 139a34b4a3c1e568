"""Rigid motions: what alignment must undo, and the mirror image it must not."""

import pytest
import torch

from models.alphafold3.geometry import align, augment, centre, lddt, rigid_fit, rmsd, rotations_from


@pytest.fixture
def cloud() -> torch.Tensor:
    return torch.randn(3, 20, 3, generator=torch.Generator().manual_seed(0)) * 3


def everything(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(x.shape[:-1], dtype=torch.bool)


def test_rotations_are_proper():
    rotation = rotations_from(torch.randn(200, 2, 3, generator=torch.Generator().manual_seed(1)))
    identity = rotation @ rotation.transpose(-1, -2)
    assert torch.allclose(identity, torch.eye(3).expand_as(identity), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(200), atol=1e-5)
    assert rotation.mean(0).abs().max() < 0.2  # uniform: no direction is preferred


def test_alignment_undoes_a_rigid_motion(cloud):
    rotation = rotations_from(torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(2)))
    moved = cloud @ rotation.transpose(-1, -2) + torch.tensor([5.0, -3.0, 2.0])
    assert torch.allclose(align(moved, cloud, everything(cloud)), cloud, atol=1e-4)
    assert rmsd(moved, cloud, everything(cloud)).max() < 1e-4


def test_a_mirror_image_does_not_align(cloud):
    mirror = cloud * torch.tensor([1.0, 1.0, -1.0])
    assert rmsd(mirror, cloud, everything(cloud)).min() > 0.5
    rotation, _ = rigid_fit(mirror, cloud, everything(cloud))
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(3), atol=1e-4)


def test_masked_atoms_have_no_say(cloud):
    mask = everything(cloud)
    mask[:, 15:] = False
    disturbed = cloud.clone()
    disturbed[:, 15:] += 100
    turned = align(disturbed, cloud, mask)
    assert torch.allclose(turned[:, :15], cloud[:, :15], atol=1e-4)
    assert centre(disturbed, mask)[:, :15].mean(1).abs().max() < 1e-5


def test_augmentation_moves_but_keeps_every_distance(cloud):
    generators = [torch.Generator().manual_seed(k) for k in range(3)]
    moved = augment(cloud, generators)
    assert torch.allclose(torch.cdist(moved, moved), torch.cdist(cloud, cloud), atol=1e-3)
    assert (moved - cloud).abs().mean() > 0.5
    alone = augment(cloud[1:2], [torch.Generator().manual_seed(1)])
    assert torch.equal(alone[0], moved[1])


def test_lddt_of_itself_is_one_and_falls_with_noise(cloud):
    mask = everything(cloud)
    assert torch.allclose(lddt(cloud, cloud, mask), torch.ones(3))
    noise = torch.randn(cloud.shape, generator=torch.Generator().manual_seed(3))
    values = [lddt(cloud + s * noise, cloud, mask).mean() for s in (0.1, 0.5, 2.0)]
    assert values[0] > values[1] > values[2]
