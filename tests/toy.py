"""A small pipeline with an exact network: the tests' own model."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.diffusion.sampler import Request, Run, sample
from models.pipeline import Frame, InputError, SampleSettings, ScheduleSpec, sample_generators

ETHANOL = np.array([[-1.17, -0.40, 0.0], [0.0, 0.56, 0.0], [1.21, -0.20, 0.0]], np.float32)


class ExactNet:
    """The exact denoiser of N(mean, sigma_data^2): D = mean + (x - mean) sigma_data^2 / (sigma_data^2 +
    sigma^2). It counts its forwards and, when ``hold`` was called, waits for a permit before each: in its
    engine's lane, so an engine needs a lane for every network that is held and one for all else."""

    name = "toy"

    def __init__(self, mean: Tensor, sigma_data: float) -> None:
        self.mean = mean
        self.sigma_data = sigma_data
        self.batches: list[list[Request]] = []
        self._permits: threading.Semaphore | None = None

    def hold(self) -> None:
        self._permits = threading.Semaphore(0)

    def permit(self, forwards: int = 1) -> None:
        assert self._permits is not None
        self._permits.release(forwards)

    def let_go(self) -> None:
        """No forward waits any more, whatever a test that failed has left."""
        permits, self._permits = self._permits, None
        if permits is not None:
            permits.release(1000)

    def bucket(self, request: Request) -> Hashable:
        return tuple(request.x.shape[1:])

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        permits = self._permits
        if permits is not None:
            assert permits.acquire(timeout=120)  # a test may look at a page meanwhile
        self.batches.append(list(requests))
        for request in requests:
            if request.cond == "explode":
                raise RuntimeError("this input breaks the network")
        x = torch.cat([request.x for request in requests])
        sigma = torch.cat([request.sigma for request in requests])
        gain = self.sigma_data**2 / (self.sigma_data**2 + sigma**2)
        out = self.mean + (x - self.mean) * gain.float().reshape(-1, *[1] * (x.ndim - 1))
        if any(request.cond == "nan" for request in requests):
            out = out * torch.nan
        return list(out.split([len(request.x) for request in requests]))


class ToyView:
    def __init__(self, kind: str, samples: int) -> None:
        self.kind = kind
        self.samples = samples

    def _array(self, x: Tensor) -> np.ndarray:
        array = x.float().numpy()
        if self.kind == "image":
            array = np.where(np.isnan(array), 0, array).clip(-1, 1)
            array = ((array + 1) * 127.5).round().astype(np.uint8)
        return array[0] if self.samples == 1 else array

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        sigma, net = float(request.sigma[0]), request.net
        x, denoised = self._array(request.x), self._array(denoised)
        return Frame(net.name, request.step, request.steps, sigma, net.sigma_data, x, denoised)

    def done(self, result: Tensor) -> dict[str, Any]:
        return {"sample": self._array(result)}


class Toy:
    """A pipeline whose network is exact. ``input.how`` may ask for trouble: "explode" or "nan"."""

    title = "A Gaussian"
    defaults = SampleSettings(steps=6, schedule=ScheduleSpec("karras", 10.0, 0.01, 7.0))
    bounds: Mapping[str, tuple[float, float]] = {
        "steps": (1, 200), "samples": (1, 8), "guidance_scale": (1, 1), "sigma_max": (0.1, 1000),
        "sigma_min": (0.001, 10), "rho": (1, 20), "gamma_0": (0, 2), "gamma_min": (0, 100),
        "noise_scale": (0, 2), "step_scale": (0.5, 2),
    }  # fmt: skip
    samplers = ("euler", "heun", "ancestral")
    examples = ({"label": "plain", "input": {"how": "well"}},)
    checkpoints: Mapping[str, str] = {"toy.safetensors": "0123456789ab"}

    def __init__(self, kind: str = "particles", id: str = "toy") -> None:
        self.id = id
        self.kind = kind
        means = {
            "particles": torch.zeros(8, 2),
            "image": torch.linspace(-0.9, 0.9, 8 * 8 * 3).reshape(8, 8, 3),
            "molecule": torch.from_numpy(ETHANOL),
        }
        self.net = ExactNet(means[kind], 0.01 if kind == "molecule" else 0.5)
        self.ended = threading.Semaphore(0)  # one permit per generator that finished or was closed

    def parse(self, input: Mapping[str, Any]) -> str:
        how = input.get("how", "well")
        if how not in ("well", "explode", "nan"):
            raise InputError("input.how", "is no way to do it", "well, explode or nan")
        return how

    def start(self, plan: str, settings: SampleSettings) -> dict[str, Any]:
        sigmas = settings.build_schedule(self.net.sigma_data).sigmas.tolist()
        stage = {"name": self.net.name, "sigma_data": self.net.sigma_data, "sigmas": sigmas}
        start: dict[str, Any] = {"stages": [{**stage, "unit": "A"}], "notes": ["a note"]}
        if self.kind == "molecule":
            start["atoms"] = [
                {
                    "element": e,
                    "name": n,
                    "chain": "L",
                    "residue": "EOH",
                    "residue_index": 1,
                    "charge": 0,
                }
                for e, n in (("C", "C1"), ("C", "C2"), ("O", "O'"))
            ]
            start["bonds"] = [[0, 1, 1], [1, 2, 1]]
            start["chains"] = [{"id": "L", "kind": "ligand"}]
        return start

    def run(self, plan: str, settings: SampleSettings) -> Run[Tensor]:
        try:
            return (
                yield from sample(
                    self.net,
                    self.net.mean.shape,
                    settings.build_schedule(self.net.sigma_data),
                    sample_generators(settings.seed, settings.samples),
                    cond=plan,
                    sampler=settings.sampler,
                )
            )
        finally:
            self.ended.release()

    def view(self, plan: str, settings: SampleSettings) -> ToyView:
        return ToyView(self.kind, settings.samples)

    def let_go(self) -> None:
        self.net.let_go()

    def warm_up(self) -> None:
        pass
