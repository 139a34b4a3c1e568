from pathlib import Path

import numpy as np
import pytest
import torch

from models.dalle2 import decoder
from models.dalle2.bank import shrink
from models.dalle2.data import STILL, compose
from models.dalle2.stage import Options, Paused, pausing
from models.dalle2.text import Tokenizer
from models.dalle2.train import STAGES, main
from models.dalle2.train_diffusion import _rows
from models.dalle2.train_towers import Splitter
from models.dalle2.upsampler import UPSAMPLERS
from models.diffusion.precond import Precond
from models.diffusion.training import TrainConfig, denoising_loss, fit, lognormal_sigma

UPSAMPLED = [kind.name for kind in UPSAMPLERS]


def test_the_decoder_learns_in_sixty_steps(sprites, tmp_path) -> None:
    """The fixture's drawings, a small network: the loss must fall by half."""
    config = decoder.DecoderConfig(
        sigma_data=0.6,
        embed=16,
        widths=(16, 32),
        attention=(1,),
        condition=32,
        context=16,
        sketch=32,
    )
    rows = np.arange(32)
    none: list[str | None] = [None] * 32
    target = shrink(compose(sprites.rgba[rows], none, none, torch.Generator(), STILL), 16)
    embeds = torch.nn.functional.normalize(torch.randn(32, 16), dim=1)
    net = Precond(decoder.DecoderNetwork(config), config.sigma_data)

    def loss_fn(_: int) -> dict[str, torch.Tensor]:
        sigma = lognormal_sigma(32, 0.1, 1.3)
        noisy = target + sigma.view(-1, 1, 1, 1) * torch.randn_like(target)
        denoised = net(noisy, sigma, **decoder.drop(decoder.condition(embeds, embeds)))
        return {"loss": denoising_loss(denoised, target, sigma, config.sigma_data).mean()}

    torch.manual_seed(0)
    with torch.no_grad():
        before = np.mean([float(loss_fn(0)["loss"]) for _ in range(4)])
    train = TrainConfig(lr=3e-3, max_steps=60, warmup_steps=5)
    fit(train, net, loss_fn, iter(range(60)), tmp_path, lambda state, info: None, progress=False)
    with torch.no_grad():
        after = np.mean([float(loss_fn(0)["loss"]) for _ in range(4)])
    assert after < before / 2


def test_rows_come_once_per_pass() -> None:
    batches = _rows(10, 5)
    first = np.concatenate([next(batches), next(batches)])
    assert sorted(first) == list(range(10))


def test_a_resumed_run_draws_other_batches() -> None:
    torch.manual_seed(1)
    first = next(_rows(1000, 50))
    torch.manual_seed(2)  # what the shared loop does when it resumes
    assert not np.array_equal(first, next(_rows(1000, 50)))


def test_words_are_sometimes_read_in_pieces() -> None:
    rows = ["ele", "##phant", "elephant", *(f"##{c}" for c in "abcdefgh"), *"abcdefgh"]
    tokenizer = Tokenizer(rows)
    tokens = tokenizer("elephant")
    split, rng = Splitter(tokenizer), np.random.default_rng(0)
    seen = {split(tokens, rng) for _ in range(200)}
    assert seen == {(2,), (0, 1)}
    assert tokenizer("elephant").known == (True,)


def test_pausing_stops_at_a_save_point(tmp_path) -> None:
    pausing(Options(tmp_path, tmp_path, 1.0))(5)
    with pytest.raises(Paused, match="step 5"):
        pausing(Options(tmp_path, tmp_path, 1.0, pause_after=-1.0))(5)


def test_every_stage_says_what_it_lacks(tmp_path) -> None:
    """Without a cache each stage names the command to run first."""
    options = Options(tmp_path, tmp_path / "out", 1.0)
    for name in ("clip", "text", "sketch", "decoder", *UPSAMPLED, "prior", "classifier"):
        with pytest.raises(FileNotFoundError, match="python -m models"):
            STAGES[name](options)


def test_unknown_stage_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["paint", "--images", str(Path("nowhere"))])
    assert "invalid choice" in capsys.readouterr().err
