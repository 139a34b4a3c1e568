"""The image tokenizer's parts; what the shipped one reconstructs is in test_shipped.py."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from models.checkpoint import CheckpointError
from models.dalle1.tokenizer import (
    Codebook,
    ImageTokenizer,
    TokenizerConfig,
    load_tokenizer,
    reconstruction_loss,
    save_tokenizer,
)

SMALL = TokenizerConfig(size=16, side=4, codes=24, code=8, encoder=(16, 16), decoder=(16, 16))


def test_shapes_and_the_order_of_places() -> None:
    """A picture that differs in one corner differs in the codes of that corner's surroundings only."""
    torch.manual_seed(0)
    net = ImageTokenizer(TokenizerConfig()).eval()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    changed = images.clone()
    changed[:, :, :4, 28:] = -changed[:, :, :4, 28:]
    with torch.no_grad():
        before, after = net.features(images), net.features(changed)
    moved = (before - after).abs().amax((0, 2)).view(8, 8) > 1e-6
    assert moved[0, 7]
    assert not moved[5:, :].any() and not moved[:, :2].any()
    assert net.encode(images).shape == (2, 64)


def test_a_missing_code_is_the_usual_one() -> None:
    net = ImageTokenizer(SMALL).eval()
    net.codebook.usual.copy_(F.normalize(torch.randn(16, 8), dim=1))
    codes = torch.randint(24, (1, 16))
    holes = codes.clone()
    holes[:, 10:] = -1
    vectors = net.codebook.vectors[codes].clone()
    vectors[:, 10:] = net.codebook.usual[10:]
    with torch.no_grad():
        assert torch.equal(net.decode(holes), net.paint(vectors))


def test_idle_codes_restart_where_features_are() -> None:
    torch.manual_seed(0)
    book = Codebook(SMALL)
    here = F.normalize(torch.ones(8), dim=0)
    z = F.normalize(here + 0.05 * torch.randn(4 * 16, 8), dim=1)
    for _ in range(400):
        book.follow(z, book.nearest(z))
    assert (book.vectors @ here).min() > 0.9


def test_training_reduces_the_error() -> None:
    torch.manual_seed(0)
    net = ImageTokenizer(SMALL)
    images = F.interpolate(torch.rand(64, 3, 4, 4) * 2 - 1, scale_factor=4.0)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    errors = []
    for _ in range(60):
        painted, commitment, _ = net(images)
        loss = reconstruction_loss(painted, images) + 0.25 * commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float((painted.detach() - images).square().mean()))
    assert errors[-1] < 0.6 * errors[0]


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, path = ImageTokenizer(SMALL).eval(), tmp_path / "t.safetensors"
    save_tokenizer(path, net.state_dict(), SMALL, {"step": 3})
    again = load_tokenizer(path)
    codes = torch.randint(24, (2, 16))
    with torch.no_grad():
        assert (net.decode(codes) - again.decode(codes)).abs().max() < 0.05


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    state = {k: v for k, v in ImageTokenizer(SMALL).state_dict().items() if "decoder" not in k}
    save_tokenizer(path, state, SMALL, {})
    with pytest.raises(CheckpointError, match="does not fit"):
        load_tokenizer(path)
