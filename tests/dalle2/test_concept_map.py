"""The map of concepts: the discriminant against hand-made clouds, and the shipped map."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.checkpoint import CheckpointError, load, save
from models.config import from_json
from models.dalle2.concept_map import CHECKPOINT, About, ConceptMap, discriminant
from models.dalle2.copying import embed_drawings


@pytest.fixture(scope="module")
def shipped() -> ConceptMap:
    return ConceptMap.load()


def test_the_discriminant_finds_the_directions_that_tell_groups_apart() -> None:
    """Three clouds that differ in two coordinates out of twenty, drowned by others with more spread."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(900, 20, generator=generator)
    x[:, 5:] *= 8
    group = torch.arange(900) % 3
    x[:, 2] += 6.0 * (group == 1)
    x[:, 4] += 6.0 * (group == 2)
    projection, mean = discriminant(x, [str(int(g)) for g in group])
    assert projection[:, [2, 4]].norm() / projection.norm() > 0.95
    at = (x - mean) @ projection.T
    assert torch.allclose(at.std(0), torch.ones(2), atol=1e-3)
    centres = torch.stack([at[group == g].mean(0) for g in range(3)])
    nearest = torch.cdist(at, centres).argmin(1)
    assert (nearest == group).float().mean() > 0.95


def test_groups_lie_apart_on_the_shipped_map(shipped) -> None:
    groups = np.array(shipped.about.groups)
    names = sorted(set(groups))
    at = shipped.points.numpy()
    centres = np.stack([at[groups == g].mean(0) for g in names])
    nearest = np.linalg.norm(at[:, None] - centres[None], axis=2).argmin(1)
    right = np.mean(np.array(names)[nearest] == groups)
    assert right > 0.4  # chance is 1 in 8
    assert len(shipped.points) == len(shipped.about.labels) > 1200


def test_a_drawing_lands_near_its_concept(shipped, pipeline, sprites) -> None:
    rows = sprites.of("train")
    _, embed = embed_drawings(pipeline.clip, sprites, rows)
    at = (embed - shipped.mean) @ shipped.projection.T
    labels = [sprites.concepts[k]["label"] for k in sprites.concept[rows]]
    own = shipped.points[[shipped.about.labels.index(label) for label in labels]]
    away = (at - own).norm(dim=1).median()
    apart = torch.cdist(shipped.points, shipped.points).median()
    assert away < apart / 3


def test_the_page_projects_the_priors_vectors_with_the_scale_it_is_told(pipeline) -> None:
    data = pipeline.concept_map()
    unit = F.normalize(torch.randn(256, generator=torch.Generator().manual_seed(3)), dim=0)
    vector = (unit * data["scale"]).numpy()
    at = data["projection"] @ (vector / data["scale"] - data["mean"])
    expected = pipeline.map.projection @ (unit - pipeline.map.mean)
    assert at == pytest.approx(expected.numpy(), abs=1e-5)
    assert set(data["points"][0]) == {"label", "group", "x", "y"}


@pytest.mark.parametrize(
    ("prompt", "label"),
    [("a sunflower", "sunflower"), ("doggy", "dog"), ("a pizza slice", "pizza")],
)
def test_a_caption_is_read_as_its_concept(pipeline, prompt, label) -> None:
    start = pipeline.start(pipeline.parse({"prompt": prompt}), pipeline.defaults)
    concepts = start["concepts"]
    assert label in [c["label"] for c in concepts]
    cosines = [c["cosine"] for c in concepts]
    assert len(cosines) == 3 and cosines == sorted(cosines, reverse=True) and cosines[0] <= 1.001


def test_a_map_of_other_networks_is_refused(tmp_path) -> None:
    tensors, header = load(CHECKPOINT)
    about = from_json(About, header["config"])
    other = About(about.labels, about.groups, "0" * 12, about.text)
    save(tmp_path / "map.safetensors", tensors, other)
    with pytest.raises(CheckpointError, match="data drawings"):
        ConceptMap.load(tmp_path / "map.safetensors")
