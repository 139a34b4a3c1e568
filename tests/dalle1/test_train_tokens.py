"""Training: what a small transformer is taught it draws; stages name what they lack."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle1.drawing import draw
from models.dalle1.network import TokenNetwork
from models.dalle1.stock import Stock, batches
from models.dalle1.tokenizer import ImageTokenizer, TokenizerConfig
from models.dalle1.train import STAGES, main
from models.dalle1.transformer import TEXT_DROP, TokenTransformer, TransformerConfig
from models.dalle2.stage import Options
from models.diffusion.sampler import run
from models.diffusion.training import TrainConfig, fit
from models.pipeline import sample_generators

PLACES, CAPTIONS = 16, 6


@pytest.fixture(scope="module")
def stock() -> Stock:
    """96 scenes of 6 captions; a caption's scenes share one picture."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(32, (CAPTIONS, PLACES), generator=generator)
    caption = torch.arange(CAPTIONS).repeat(16)
    ids = [tuple(range(i + 1, 2 * i + 2)) for i in range(CAPTIONS)]  # 1 to 6 words
    summary = F.normalize(torch.randn(CAPTIONS, 8, generator=generator), dim=1)
    table = torch.randn(20, 6, generator=generator)
    return Stock(pictures[caption].short(), caption, ids, summary.half(), table)


def test_batches_pair_captions_with_their_pictures(stock: Stock) -> None:
    torch.manual_seed(3)
    hidden = rows = 0
    for summary, ids, mask, codes in islice(batches(stock, np.arange(96), 6), 160):
        for k in range(6):
            which = int((stock.summary.float() @ summary[k]).argmax())
            length = len(stock.ids[which])
            assert ids[k, :length].tolist() == list(stock.ids[which])
            assert codes[k].tolist() == stock.codes[which].tolist()
            rows += 1
            if mask[k].any():
                assert mask[k].sum() == 1 + length
            else:
                hidden += 1
    assert abs(hidden / rows - TEXT_DROP) < 0.04


def test_a_resumed_run_draws_other_batches(stock: Stock) -> None:
    def first(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return next(batches(stock, np.arange(96), 6))[0]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_it_draws_what_it_was_taught(stock: Stock, tmp_path: Path) -> None:
    """Six captions with a picture each: the likeliest codes are the picture's."""
    torch.manual_seed(0)
    config = TransformerConfig(
        codes=32, side=4, text=8, word=6, summary=8, width=48, layers=2, heads=2
    )
    net = TokenTransformer(config)

    def loss_fn(batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
        summary, ids, mask, codes = batch
        logits = net(summary, stock.table[ids], mask, codes)
        return {"loss": F.cross_entropy(logits.flatten(0, 1), codes.flatten())}

    train = TrainConfig(lr=4e-3, max_steps=260, warmup_steps=5)
    given = batches(stock, np.arange(96), 6)
    fit(train, net, loss_fn, given, tmp_path, lambda state, info: None, progress=False)
    codec = TokenizerConfig(size=16, side=4, codes=32, code=4, encoder=(8, 8), decoder=(8, 8))
    answering = TokenNetwork(net.eval(), ImageTokenizer(codec).eval(), stock.table)
    for which in range(CAPTIONS):
        summary = stock.summary[which : which + 1].float()
        drawn = run(
            draw(answering, config, stock.ids[which], summary, sample_generators(0, 1),
                 temperature=0.0, top_k=1)
        )  # fmt: skip
        assert drawn[0].tolist() == stock.codes[which].tolist()


@pytest.mark.parametrize("stage", ["tokenizer", "tokens", "transformer"])
def test_every_stage_says_what_it_lacks(stage: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m models"):
        STAGES[stage](Options(tmp_path, tmp_path / "out", 1.0))


def test_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["paint"])
    assert "invalid choice" in capsys.readouterr().err
