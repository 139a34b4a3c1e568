"""The memory in front of a network: it saves forwards and changes no answer."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.cached import Cached, content
from models.diffusion.sampler import Request


@dataclass(frozen=True)
class Answer:
    told: str
    value: Tensor


class Oracle:
    """Answers a text with as many numbers as it has letters."""

    name = "oracle"
    sigma_data = 1.0

    def __init__(self) -> None:
        self.forwards: list[list[str]] = []

    def bucket(self, request: Request) -> Hashable:
        return len(request.cond)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        return sum(len(request.cond) for request in requests), 8 * len(requests)

    def answer(self, requests: Sequence[Request]) -> list[Any]:
        assert len({self.bucket(request) for request in requests}) == 1
        self.forwards.append([request.cond for request in requests])
        batch = torch.stack([torch.full((1000,), float(len(r.cond))) for r in requests])
        return [Answer(r.cond, row) for r, row in zip(requests, batch, strict=True)]


def ask(net: Any, *texts: str) -> list[Answer]:
    return net.answer([Request(net, torch.zeros(1), torch.zeros(1), text) for text in texts])


def cached(max_bytes: int = 10**6) -> tuple[Oracle, Cached]:
    oracle = Oracle()
    return oracle, Cached(oracle, lambda request: request.cond, max_bytes)


def test_a_question_is_computed_once_even_within_one_forward() -> None:
    oracle, net = cached()
    first = ask(net, "cat", "dog", "cat")
    again = ask(net, "dog", "cow", "cat")
    assert oracle.forwards == [["cat", "dog"], ["cow"]]
    assert [a.told for a in first + again] == ["cat", "dog", "cat", "dog", "cow", "cat"]
    assert (net.hits, net.misses) == (3, 3)
    assert torch.equal(again[2].value, ask(oracle, "cat")[0].value)


def test_new_questions_of_different_buckets_get_forwards_of_their_own() -> None:
    oracle, net = cached()
    answers = ask(net, "cat", "mouse", "dog")
    assert oracle.forwards == [["cat", "dog"], ["mouse"]]
    assert [len(a.told) for a in answers] == [3, 5, 3]


def test_a_known_question_has_a_bucket_of_its_own_and_computes_no_cell() -> None:
    _, net = cached()
    request = Request(net, torch.zeros(1), torch.zeros(1), "cat")
    assert net.bucket(request) == 3
    ask(net, "cat", "mouse", "cat")
    assert net.cells([request, request, request]) == (3 + 5, 8 + 8)
    assert net.bucket(request) == "known"
    ask(net, "cat")
    assert net.cells([request]) == (0, 0)


def test_the_memory_is_bounded_and_forgets_the_least_recently_used() -> None:
    oracle, net = cached(max_bytes=10_000)  # an answer holds 4000 bytes
    ask(net, "a")
    ask(net, "b")
    ask(net, "a")
    ask(net, "c")
    assert net.bytes <= 10_000
    ask(net, "a")
    ask(net, "b")
    assert oracle.forwards == [["a"], ["b"], ["c"], ["b"]]


def test_an_answer_does_not_keep_the_batch_it_came_from() -> None:
    _, net = cached()
    for answer in ask(net, "cat", "dog", "cow"):
        assert answer.value.untyped_storage().nbytes() == answer.value.nbytes


def test_keys_tell_contents_apart() -> None:
    a = np.arange(6, dtype=np.int64)
    parts: list[Any] = [
        a, a.astype(np.int32), a.reshape(2, 3), a + 1, [a, a], {"x": a}, {"y": a}, None, "1", 1, 1.0,
        True, ["ab", "c"], ["a", "bc"], [["a"], "b"], [["a", "b"]],
    ]  # fmt: skip
    assert len({content(part) for part in parts}) == len(parts)
    assert content({"x": a, "y": 1}) == content({"y": 1, "x": a.copy()})
    with pytest.raises(TypeError):
        content(object())
