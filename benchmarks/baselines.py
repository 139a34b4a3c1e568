"""What the engine is compared with.

``python -m benchmarks.baselines bare``: the same models without a server, one run at a time; answers one
JSON line to each JSON line it is given, with the time inside the forwards and that of the plain loop
with everything that a viewer is sent.

``python -m benchmarks.baselines gradio --port N``: how such a demonstration is usually built. A plain
loop over the steps of a `diffusers` scheduler draws one run after the other, behind Gradio's default
queue. The networks, weights, noise and number of forwards are ours; the step is
``EulerDiscreteScheduler.step``, which replaces our sampler inside the same pipelines. Every step yields
the same data as our frames do, through Gradio's cheapest output (JSON). Needs
``benchmarks/requirements.txt``.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as our server does: the same chance for all

import torch
from torch import Tensor

from app import wire
from app.pipelines import Pipelines
from app.preparing import prepare
from app.schemas import RunIn
from app.settings import Settings
from models.diffusion import sampler
from models.diffusion.sampler import Network, Request, Run, randn
from models.diffusion.schedule import Schedule
from models.pipeline import Pipeline

PANELS = ("dalle2", "alphafold3")
NO_LIMIT = 10**9


def load(threads: int) -> dict[str, Pipeline]:
    """With the back end that the server would use."""
    pipelines = Pipelines.named(PANELS)
    pipelines.backend, pipelines.threads = Settings().backend, (threads,)
    pipelines.load()
    return {id: pipelines.get(id) for id in PANELS}


def planned(pipeline: Pipeline, body: dict[str, Any]) -> tuple[Any, Any]:
    """-> (plan, settings), read as the server reads them."""
    prepared = prepare(pipeline, RunIn(**body), NO_LIMIT)
    plan, settings = prepared.plan, prepared.settings
    return plan, settings


def answers(generator: Run[Any]) -> Iterator[tuple[Request, Any, float]]:
    """The plain loop: every request is answered at once. Yields (request, answer, seconds of the forward)
    and returns the run's result."""
    answer = None
    while True:
        try:
            request = generator.send(answer)
        except StopIteration as stop:
            return stop.value
        begun = time.perf_counter()
        with torch.inference_mode():
            answer = request.net.answer([request])[0]
        yield request, answer, time.perf_counter() - begun


def bare(threads: int) -> None:
    """See the module docstring; a line is a body of ``POST /api/runs``. Every forward has the threads
    that our engine gives it when it is the only one."""
    torch.set_num_threads(Settings(threads=threads).lane_threads)
    pipelines = load(threads)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        body = json.loads(line)
        pipeline = pipelines[body["pipeline"]]
        seconds: list[float] = []
        begun = time.perf_counter()
        for data in shown(pipeline, body, seconds):
            wire.json_bytes(data)
        spent = {"forward_s": sum(seconds), "loop_s": time.perf_counter() - begun}
        print(json.dumps(spent), flush=True)


def shown(pipeline: Pipeline, body: dict[str, Any], seconds: list[float]) -> Iterator[Any]:
    """A run in the plain loop: the data of its frames and of its end, as our events hold them;
    ``seconds`` gets the time of every forward."""
    plan, settings = planned(pipeline, body)
    view = pipeline.view(plan, settings)
    run = answers(pipeline.run(plan, settings))
    while True:
        try:
            request, answer, forward_s = next(run)
        except StopIteration as stop:
            yield wire.encode(view.done(stop.value))
            return
        seconds.append(forward_s)
        if request.frame:
            yield wire.frame_data(view.frame(request, answer))


def scheduler_loop(
    net: Network,
    shape: Sequence[int],
    schedule: Schedule,
    generators: Sequence[torch.Generator],
    cond: Any = None,
    *,
    augment: Callable[[Tensor, Sequence[torch.Generator]], Tensor] | None = None,
    x_init: Tensor | None = None,
    **own_sampler: Any,
) -> Run[Tensor]:
    """Stands in for ``models.diffusion.sampler.sample``: the loop of a `diffusers` pipeline."""
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(prediction_type="sample")
    scheduler.set_timesteps(sigmas=schedule.sigmas.tolist())
    x = randn(shape, generators) * float(scheduler.sigmas[0])
    if x_init is not None:
        x = x + x_init
    steps = len(scheduler.timesteps)
    for step, timestep in enumerate(scheduler.timesteps):
        if augment is not None:
            x = augment(x, generators)
        scheduler.scale_model_input(
            x, timestep
        )  # it insists; our networks scale their input themselves
        sigma = scheduler.sigmas[step].double().repeat(len(generators))
        denoised = yield Request(net, x, sigma, cond, step, steps)
        x = scheduler.step(denoised.float(), timestep, x).prev_sample
    return x


def endpoint(pipeline: Pipeline) -> Callable[..., Iterator[Any]]:
    """A pipeline as Gradio calls it."""

    def draw(input: dict[str, Any], settings: dict[str, Any]) -> Iterator[Any]:
        body = {"pipeline": pipeline.id, "input": input, "settings": settings}
        yield from shown(pipeline, body, [])

    return draw


def gradio(port: int, threads: int) -> None:
    """Two endpoints, one per panel, each a generator; nothing of the queue is changed."""
    import gradio as gr
    from diffusers import EulerDiscreteScheduler  # noqa: F401 - its lazy import is not thread-safe

    pipelines = load(threads)
    ours = [
        module
        for name, module in sys.modules.items()
        if name.startswith("models.") and getattr(module, "sample", None) is sampler.sample
    ]
    for module in ours:
        module.sample = scheduler_loop  # type: ignore[attr-defined]

    with gr.Blocks(analytics_enabled=False) as page:
        for id, pipeline in pipelines.items():
            given, settings, seen = gr.JSON(), gr.JSON(), gr.JSON()
            gr.Button(id).click(endpoint(pipeline), [given, settings], seen, api_name=id)
    page.queue()
    if port == 0:  # Gradio does not know that 0 means any
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    page.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True)
    print(f"Gradio is ready at http://127.0.0.1:{port}", flush=True)
    page.block_thread()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["bare", "gradio"])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.which == "bare":
        bare(args.threads)
    else:
        gradio(args.port, args.threads)


if __name__ == "__main__":
    main()
