"""The shipped pipeline: input, frames, seeds in company, and what the end of a run tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.checkpoint import CheckpointError
from models.dalle1 import transformer
from models.dalle1.pipeline import PICTURE_EVERY, Dalle1
from models.dalle2 import text
from models.diffusion.sampler import Request, run
from models.evaluation.drawing import run_together
from models.pipeline import Frame, InputError


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "input.prompt"),
        ({"prompt": " "}, "input.prompt"),
        ({"prompt": 7}, "input.prompt"),
        ({"prompt": "???"}, "input.prompt"),
        ({"variation_of": {"prompt": "a cat"}}, "input.variation_of"),
    ],
)
def test_unusable_input_names_its_field(dalle1: Dalle1, given: Any, field: str) -> None:
    with pytest.raises(InputError) as error:
        dalle1.parse(given)
    assert error.value.field == field and error.value.accepted


def test_a_long_caption_is_cut_and_says_so(dalle1: Dalle1) -> None:
    plan = dalle1.parse({"prompt": "a " * 40})
    assert len(plan.ids) == 24
    assert "Only the first 24 word pieces were read." in plan.notes
    assert dalle1.parse({"prompt": "a cat"}).notes == ()
    longest = dalle1.parse({"prompt": "a " * 100})
    assert [note for note in longest.notes if "Only" in note] == [plan.notes[-1]]


@pytest.fixture(scope="module")
def seen(dalle1: Dalle1) -> tuple[list[Frame], dict[str, Any], list[Request]]:
    """Frames, ``done`` data and all requests of one run of two samples."""
    settings = replace(dalle1.defaults, samples=2, seed=5)
    plan = dalle1.parse({"prompt": "a red heart on a blue background"})
    view, frames, requests = dalle1.view(plan, settings), [], []

    def watch(request: Request, answer: Any) -> None:
        requests.append(request)
        if request.frame:
            frames.append(view.frame(request, answer))

    result = run(dalle1.run(plan, settings), watch)
    return frames, view.done(result), requests


def test_frames_count_codes_and_leave_out_noise_levels(seen) -> None:
    frames, _, _ = seen
    assert [f.step for f in frames] == list(range(0, 64, PICTURE_EVERY))
    for frame in frames:
        assert (frame.stage, frame.steps) == ("tokens", 64)
        assert frame.sigma is None and frame.sigma_over_data is None and frame.log_snr is None
        assert frame.x.shape == frame.denoised.shape == (2, 32, 32, 3)
        assert frame.x.dtype == np.uint8


def test_x_is_grey_where_nothing_is_drawn_and_the_picture_elsewhere(seen) -> None:
    frames, _, _ = seen
    frame = next(f for f in frames if f.step == 20)  # two rows of eight codes and half of the third
    assert (frame.x[:, :8] == frame.denoised[:, :8]).all()
    assert (frame.x[:, 8:12, :16] == frame.denoised[:, 8:12, :16]).all()
    assert (frame.x[:, 8:12, 16:] == 128).all() and (frame.x[:, 12:] == 128).all()
    assert (frame.denoised[:, 12:] != 128).any()


def test_what_is_drawn_far_above_stays_as_it_is(seen) -> None:
    """The decoder sees a few codes around a place, not the whole picture."""
    frames, done, _ = seen
    half = next(f for f in frames if f.step == 40)
    change = np.abs(half.denoised[:, :8].astype(int) - done["sample"][:, :8].astype(int))
    assert change.max() <= 3


def test_the_end_tells_calls_codes_and_verdicts(seen, dalle1: Dalle1) -> None:
    _, done, requests = seen
    assert done["calls"]["tokens"] == 64 and done["calls"]["pixels"] == 1
    assert sum(r.net is dalle1.tokens for r in requests) == 64
    assert done["codes"].shape == (2, 64) and done["codes"].min() >= 0
    assert len(done["judged"]) == len(done["clip_score"]) == 2
    left = done["settling"]["left"]
    assert left[0] == 1 and left == sorted(left, reverse=True)
    assert set(done["settling"]["sigma_over_data"]) == {None}
    low = done["settling"]["bands"][0]["error"]
    assert low[0] == 1 and low[-1] < 0.3


def test_a_seed_is_one_picture_whoever_shares_the_forward(dalle1: Dalle1) -> None:
    def start(prompt: str, seed: int, samples: int) -> Any:
        settings = replace(dalle1.defaults, seed=seed, samples=samples)
        return dalle1.paint(dalle1.parse({"prompt": prompt}), settings)

    alone = run(start("a cat", 1, 1)).codes
    several = run(start("a cat", 1, 4)).codes
    company = [
        start(p, s, n) for p, s, n in (("a house", 2, 3), ("a cat", 1, 2), ("a red car", 3, 1))
    ]
    assert torch.equal(several[:1], alone)
    assert torch.equal(run_together(company)[1].codes, several[:2])


def test_sixteen_visitors_share_every_forward(dalle1: Dalle1) -> None:
    """Batching rows is what makes a busy server faster than one visitor after another."""
    settings = replace(dalle1.defaults, guidance_scale=1.0)
    runs = [
        dalle1.paint(dalle1.parse({"prompt": "a cat"}), replace(settings, seed=seed))
        for seed in range(16)
    ]
    batches: list[int] = []
    answer = dalle1.tokens.answer

    def counting(requests: Any) -> Any:
        batches.append(len(requests))
        return answer(requests)

    dalle1.tokens.answer = counting  # type: ignore[method-assign]
    try:
        run_together(runs)
    finally:
        del dalle1.tokens.answer
    assert batches == [16] * 64


def uncached_logits(dalle1: Dalle1, prompt: str, codes: Tensor) -> Tensor:
    plan, tokens = dalle1.parse({"prompt": prompt}), dalle1.tokens
    ids = torch.tensor([plan.ids])
    (read,) = dalle1.text.answer(
        [Request(dalle1.text, torch.zeros(1, 0), torch.zeros(1), [plan.ids])]
    )
    mask = torch.ones(1, 1 + ids.shape[1], dtype=torch.bool)
    return tokens.transformer(read["text_embed"], tokens.table[ids], mask, codes)


def test_the_cache_gives_the_logits_of_the_whole_sequence(dalle1: Dalle1) -> None:
    prompt, cached = "two yellow birds on a black background", []
    settings = replace(dalle1.defaults, guidance_scale=1.0, seed=3)

    def watch(request: Request, answer: Any) -> None:
        if request.net is dalle1.tokens:
            cached.append(answer["logits"])

    drawing = run(dalle1.paint(dalle1.parse({"prompt": prompt}), settings), watch)
    with torch.inference_mode():
        whole = uncached_logits(dalle1, prompt, drawing.codes)
    assert (torch.stack(cached, 1) - whole).abs().max() < 1e-3


def test_a_transformer_of_another_text_encoder_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / text.CHECKPOINT.name
    other.write_bytes(b"another")
    monkeypatch.setattr(text, "CHECKPOINT", other)
    with pytest.raises(CheckpointError, match=f"another {other.name}") as error:
        Dalle1()
    assert error.value.path == transformer.CHECKPOINT


def test_generators_of_a_run_are_its_own(dalle1: Dalle1) -> None:
    """Dropping a run midway leaves nothing behind that another run could see."""
    plan = dalle1.parse({"prompt": "a cat"})
    expected = run(dalle1.paint(plan, replace(dalle1.defaults, seed=8))).codes
    dropped = dalle1.paint(plan, replace(dalle1.defaults, seed=9))
    request = next(dropped)
    for _ in range(10):
        with torch.inference_mode():
            answer = request.net.answer([request])[0]
        request = dropped.send(answer)
    dropped.close()
    assert torch.equal(run(dalle1.paint(plan, replace(dalle1.defaults, seed=8))).codes, expected)
