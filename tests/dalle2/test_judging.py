"""The judge of finished pictures, on pictures whose content is known."""

import torch

from models.dalle2.copying import embed_drawings
from models.dalle2.judging import Judge, load_judge
from models.diffusion.sampler import Request


def ask(judge: Judge, *requests: Request):
    with torch.inference_mode():
        return judge.answer(list(requests))


def test_real_drawings_are_named(pipeline, sprites) -> None:
    rows = sprites.of("train")[::4]
    pictures, _ = embed_drawings(pipeline.clip, sprites, rows)
    (verdict,) = ask(pipeline.judge, pipeline.judge.request(pictures, None))
    labels = [sprites.concepts[k]["label"] for k in sprites.concept[rows]]
    named = [
        label == judged[0]["label"] for label, judged in zip(labels, verdict.judged, strict=True)
    ]
    assert sum(named) / len(named) > 0.8
    for judged in verdict.judged:
        p = [entry["probability"] for entry in judged]
        assert len(p) == 5 and p == sorted(p, reverse=True) and 0 <= sum(p) <= 1.001


def test_one_forward_for_many_visitors_gives_each_its_own_verdict(pipeline, sprites) -> None:
    pictures, _ = embed_drawings(pipeline.clip, sprites, sprites.of("train")[:5])
    large = pictures[3:].repeat_interleave(4, 2).repeat_interleave(4, 3)
    text = torch.nn.functional.normalize(torch.randn(3, 256), dim=1)
    judge = pipeline.judge
    requests = judge.request(pictures[:3], text), judge.request(large, None)
    first, second = ask(judge, *requests)
    (alone,) = ask(judge, requests[0])
    assert first.data() == alone.data() or torch.allclose(
        first.clip_score, alone.clip_score, atol=1e-3
    )
    assert len(first.judged) == 3 and len(second.judged) == 2
    expected = (first.image_embed * text).sum(1)
    assert torch.allclose(first.clip_score, expected, atol=1e-5)
    assert second.clip_score is None and second.data()["clip_score"] is None
    assert second.data()["nearest"][0]["pixels"]["rms"] < 0.15


def test_without_fitting_drawings_everything_else_is_judged(pipeline, sprites) -> None:
    pictures, _ = embed_drawings(pipeline.clip, sprites, sprites.of("train")[:1])
    blind = Judge(pipeline.judge.classifier, pipeline.judge.clip, None)
    (verdict,) = ask(blind, blind.request(pictures, None))
    assert verdict.data()["nearest"] is None and len(verdict.judged[0]) == 5


def test_pipelines_share_one_judge(pipeline) -> None:
    assert load_judge() is pipeline.judge
