"""Stages that read a conditioning and draw along it: what they read does not depend on the noise, so a
run has it read once, at its first step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from models.dalle2.network import StageNetwork, gather
from models.diffusion.guidance import guided
from models.diffusion.precond import Precond
from models.diffusion.sampler import Request

READ = "read"  # in the ``cond`` of a run: which network has read it, and what it read


class Reader(Protocol):
    """A raw network in two halves: called with a conditioning, it is ``paint(x, c_noise, **read(...))``."""

    def read(self, *asked: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """What is the same at every noise level, rows along the first axes."""
        ...

    def paint(self, x: Tensor, c_noise: Tensor, **read: Tensor) -> Tensor: ...


class Painting(nn.Module):
    """A reader's network, called with what it has read already."""

    def __init__(self, network: Reader) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, c_noise: Tensor, **read: Tensor) -> Tensor:
        return self.network.paint(x, c_noise, **read)


class ReadingStage(StageNetwork):
    """Guided by what it reads. Subclasses say what is read of requests and what stands for nothing."""

    @abstractmethod
    def asked(self, requests: Sequence[Request]) -> dict[str, Tensor]:
        """What the network is called with, beside x and c_noise, for the rows of all requests."""

    @staticmethod
    @abstractmethod
    def nothing(asked: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same rows with everything dropped."""

    @abstractmethod
    def example(self) -> dict[str, Any]:
        """The ``cond`` of some row, of which nothing is kept."""

    def use_torch(self, dtype: torch.dtype | None = None) -> None:
        super().use_torch(dtype)
        self.read_with(cast(Reader, self.denoiser.network))

    def use_openvino(self, *threads: int) -> None:
        super().use_openvino(*threads)
        for name in ("_reader", "_painting", "_null"):  # their weights are not needed any more
            self.__dict__.pop(name, None)

    def read_with(self, network: Reader) -> None:
        """From now on this network reads and paints."""
        self._reader = network
        self._painting = Precond(Painting(network), self.sigma_data)
        self._null: dict[str, Tensor] = {}  # read at the first forward; loading computes none

    def guided(self, x: Tensor, sigma: Tensor, requests: Sequence[Request]) -> Tensor:
        """The estimate for all rows, each with its own guidance scale."""
        weight = gather(requests, "guidance_scale")
        if self.compiled:
            asked = self.asked(requests)
            return guided(self._whole, x, sigma, asked, self.nothing(asked), weight)
        self._read(requests)
        if not self._null:
            row = Request(self, torch.zeros(1, *self.shape), torch.zeros(1), self.example())
            self._null = self._reader.read(**self.nothing(self.asked([row])))
        read = [request.cond[READ][1] for request in requests]
        cond = {key: torch.cat([one[key] for one in read]) for key in self._null}
        null = {key: value.expand(len(x), *value.shape[1:]) for key, value in self._null.items()}
        return guided(self._painted, x, sigma, cond, null, weight)

    def _whole(self, x: Tensor, sigma: Tensor, cond: Mapping[str, Tensor]) -> Tensor:
        return cast(Tensor, self.denoiser(x, sigma, **cond))

    def _painted(self, x: Tensor, sigma: Tensor, cond: Mapping[str, Tensor]) -> Tensor:
        return cast(Tensor, self._painting(x, sigma, **cond))

    def _read(self, requests: Sequence[Request]) -> None:
        """Notes in every run's ``cond`` what its conditioning is read as, where this network has not yet
        done so at an earlier step."""
        new = [r for r in requests if r.cond.get(READ, (None,))[0] is not self._reader]
        if new:
            read = self._reader.read(**self.asked(new))
            rows = [len(request.x) for request in new]
            parts = {key: value.split(rows) for key, value in read.items()}
            for i, request in enumerate(new):
                own = {key: part[i] for key, part in parts.items()}
                request.cond[READ] = (self._reader, own)
