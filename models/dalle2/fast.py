"""OpenVINO as an optional back end: the same networks, compiled for this processor.

Only the raw network F is compiled; preconditioning, guidance and the sampler stay what they are, in
float32. Batch and caption length stay dynamic, so one compiled network serves every request. Tracing
and converting takes seconds per network, so its result is kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import inference
from models.dalle2 import unet

log = logging.getLogger(__name__)

# Axes that change from call to call; of all other inputs only the batch does.
DYNAMIC: Mapping[str, tuple[int, ...]] = {"states": (0, 1), "mask": (0, 1)}


def installed() -> bool:
    """Whether the optional package is there (`pip install "twofold[fast]"`)."""
    return importlib.util.find_spec("openvino") is not None


def load_openvino() -> Any:
    """The package, without its telemetry: converting a network would tell an analytics server about
    it. Raises ImportError when it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def version() -> str:
    """Of the installed package, for people."""
    return f"OpenVINO {load_openvino().__version__.split('-')[0]}"


def precision() -> str:
    """What the processor computes in: "bf16" where it has it, else "f32"."""
    known = load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in known else "f32"


def cache_folder() -> Path:
    """Where converted networks are kept, by XDG's rule."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "twofold" / "openvino"


class Compiled(nn.Module):
    """Called like the network it was made from; compiled at its first call, with that call's shapes.

    threads: those it is prepared for; ``use_threads`` says how many the next forwards take, at first the
    first of them; weights: what identifies the network's weights. Not for several threads at
    once, as the networks of one engine are not. Answers are those of bf16 arithmetic where the
    processor has it, else of float32.
    """

    def __init__(self, network: nn.Module, threads: Sequence[int], weights: str) -> None:
        super().__init__()
        self._network = (network,)  # in a tuple: not a submodule of this one
        self._prepared, self._weights = tuple(threads), weights
        self._threads = self._prepared[0]
        self._names = list(inspect.signature(network.forward).parameters)
        self._model: Any = None
        self._requests: dict[int, Any] = {}  # by threads

    def use_threads(self, threads: int) -> None:
        """Of the next forwards; another number than those it is prepared for changes nothing."""
        if threads in self._prepared:
            self._threads = threads

    def forward(self, *given: Tensor, **named: Tensor) -> Tensor:
        first = self._model is None
        if first:  # an input that is left out now is always left out
            self._names = [*self._names[: len(given)], *(n for n in self._names if n in named)]
        inputs = [*given, *(named[name] for name in self._names[len(given) :])]
        if first:
            self._model = self._read(inputs)
            self._requests = {threads: self._compile(threads) for threads in self._prepared}
        arrays = [x.detach().contiguous().numpy() for x in inputs]
        request = self._requests[self._threads]
        return torch.from_numpy(request.infer(arrays, share_inputs=True)[0])

    def _read(self, inputs: Sequence[Tensor]) -> Any:
        """The converted network, from the cache folder or made now."""
        kept = cache_folder() / self._key() / "network.xml"
        try:
            return load_openvino().Core().read_model(kept)
        except RuntimeError:  # not there, or not readable
            model = self._convert(inputs)
            _keep(model, kept)
            return model

    def _compile(self, threads: int) -> Any:
        compiled = (
            load_openvino()
            .Core()
            .compile_model(
                self._model,
                "CPU",
                {
                    "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_PRECISION_HINT": precision(),
                    "INFERENCE_NUM_THREADS": threads,
                },
            )
        )
        return compiled.create_infer_request()

    def _convert(self, inputs: Sequence[Tensor]) -> Any:
        openvino = load_openvino()
        # Two rows: with one, a trace takes the batch for a constant.
        example = tuple(torch.cat([x[:1], x[:1]]) for x in inputs)
        shapes = []
        for name, x in zip(self._names, example, strict=True):
            loose = DYNAMIC.get(name, (0,))
            shapes.append(
                openvino.PartialShape([-1 if i in loose else n for i, n in enumerate(x.shape)])
            )
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            network = self._network[0]
            return openvino.convert_model(network, example_input=example, input=shapes)

    def _key(self) -> str:
        """Changes with the weights, the code of the network and the version of OpenVINO."""
        parts = (*self._network, unet, inference)
        code = [inspect.getsource(inspect.getmodule(part)) for part in parts]  # type: ignore[arg-type]
        text = "\n".join([self._weights, version(), torch.__version__, *self._names, *code])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _keep(model: Any, path: Path) -> None:
    """Saves a converted network, whole or not at all. Without a place to write it goes on without."""
    openvino = load_openvino()
    try:
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent.parent) as folder:
            openvino.save_model(model, Path(folder) / "new" / path.name, compress_to_fp16=False)
            (Path(folder) / "new").rename(path.parent)
    except (OSError, RuntimeError) as error:
        log.warning("converted networks are not kept in %s (%s)", path.parent.parent, error)
