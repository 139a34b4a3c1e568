"""What prior, decoder and upsampler share as answering machines: loading, and batching by rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CheckpointError, fingerprint
from models.compact import load_compact
from models.config import from_json
from models.dalle2.fast import Compiled
from models.dalle2.unet import channels_last
from models.diffusion.noise import TrainedNoise
from models.diffusion.precond import Precond
from models.diffusion.sampler import Request
from models.inference import arithmetic, prepare


class StageNetwork(ABC):
    """A trained denoiser that answers requests of many runs with one forward.

    Subclasses name their stage, checkpoint, config and raw network F, and say in :meth:`denoise` how
    the ``cond`` of several requests becomes one batch.
    """

    name: str
    checkpoint: ClassVar[Path]
    config_class: ClassVar[type[Any]]
    network_class: ClassVar[type[nn.Module]]
    trained: ClassVar[TrainedNoise | None] = None  # None where the schedule is not the visitor's

    def __init__(self, path: Path) -> None:
        """The weights at ``path``, in torch. Raises CheckpointError."""
        self.path = path
        self.weights = fingerprint(path)
        self.use_torch()

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The shipped weights. Raises CheckpointError."""
        return cls(path or cls.checkpoint)

    @classmethod
    def trained_network(cls, path: Path | None = None) -> tuple[nn.Module, Any]:
        """The network as it was trained, in float32, within its preconditioning, and its config. Raises
        CheckpointError."""
        path = path or cls.checkpoint
        state, header = load_compact(path)
        try:
            config = from_json(cls.config_class, header["config"])
            denoiser = cls.denoiser_of(config)
            denoiser.load_state_dict(state)
        except (RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(path, f"does not fit this code ({error})") from error
        return channels_last(denoiser).eval(), config

    @classmethod
    def denoiser_of(cls, config: Any) -> nn.Module:
        """The raw network within its preconditioning, called ``(x, sigma, **cond)``."""
        return Precond(cls.network_class(config), config.sigma_data)

    def use_torch(self, dtype: torch.dtype | None = None) -> None:
        """From now on forwards run in torch, in ``dtype`` or what the processor is fastest in."""
        self.denoiser, self.config = self.trained_network(self.path)
        self.sigma_data: float = self.config.sigma_data
        network = prepare(self.denoiser.get_submodule("network"), dtype or arithmetic())
        self.denoiser.network = network

    def use_openvino(self, *threads: int) -> None:
        """From now on forwards run in OpenVINO, which must be installed; see :class:`Compiled`."""
        self.denoiser, self.config = self.trained_network(self.path)
        network = self.denoiser.get_submodule("network")
        self.denoiser.network = Compiled(network, threads, self.weights)

    @property
    def compiled(self) -> bool:
        """Whether forwards run in OpenVINO."""
        return isinstance(self.denoiser.network, Compiled)

    def use_threads(self, threads: int) -> None:
        """Of the next forwards, where they run in OpenVINO; torch knows the threads of its caller."""
        if isinstance(self.denoiser.network, Compiled):
            self.denoiser.network.use_threads(threads)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""

    @abstractmethod
    def denoise(self, x: Tensor, sigma: Tensor, requests: Sequence[Request]) -> Tensor:
        """The rows of all requests at once. x: (B, *shape), sigma: (B,) -> (B, *shape)"""

    def bucket(self, request: Request) -> Hashable:
        """All requests of a stage have rows of one shape."""
        return self.name

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        x = torch.cat([r.x for r in requests])
        sigma = torch.cat([r.sigma for r in requests])
        out = self.denoise(x, sigma, requests)
        return list(out.split([len(r.x) for r in requests]))


def gather(requests: Sequence[Request], key: str) -> Tensor:
    """One entry of every request's ``cond``, rows after rows."""
    return torch.cat([r.cond[key] for r in requests])


def gather_states(requests: Sequence[Request], width: int) -> Tensor:
    """Token states of every request's rows, padded with zeros to the longest; requests that have none
    get one row of zeros each, which reads as no token. -> (B, T, width)"""
    given = [r.cond.get("states") for r in requests]
    states = [
        torch.zeros(len(r.x), 1, width) if s is None else s
        for r, s in zip(requests, given, strict=True)
    ]
    longest = max(s.shape[1] for s in states)
    return torch.cat([F.pad(s, (0, 0, 0, longest - s.shape[1])) for s in states])
