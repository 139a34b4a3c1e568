"""``GET /api/runs/{id}/etkdg``: the usual conformer program's answer beside a finished run's.

Computed once per run, in a thread, one at a time: it never waits for the engine, nor the engine for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import BaseModel

from app import wire
from app.api import find_run, refusals
from app.clients import client_of
from app.runs import Run
from app.schemas import BadRequest
from app.services import Has
from models.alphafold3.etkdg import ACCEPTED, METHOD, Conformer, etkdg
from models.pipeline import InputError

router = APIRouter()


class EtkdgOut(BaseModel):
    """xyz: float32 (N, 3) A in the order of the run's atoms, laid onto its first sample; rmsd: A to
    that sample over the best symmetric match; seconds: what RDKit took."""

    xyz: dict[str, Any]
    seconds: float
    rmsd: float
    method: str


@router.get("/api/runs/{id}/etkdg", tags=["runs"], responses=refusals(404, 409, 422, 429, 503))
async def etkdg_answer(id: str, request: Request, services: Has) -> EtkdgOut:
    """RDKit's conformer of the molecule of a finished run."""
    run = find_run(services, id)
    if run.state != "done" or not run.closed:
        raise BadRequest.one("id", f"the run is {run.state}", "a run that is done", status=409)
    answers = _answers(request)
    task = answers.get(run)
    if task is None:
        # A task of its own: whoever asked first may leave, the next one finds the answer.
        with services.admission.export(client_of(request)):
            limiter = _embedding(request)
            task = answers[run] = asyncio.create_task(run_sync(_compute, run, limiter=limiter))
            found = await asyncio.shield(task)
    else:
        found = await asyncio.shield(task)
    if isinstance(found, InputError):
        raise BadRequest.from_input_error(found)
    return EtkdgOut(
        xyz=wire.encode_array(found.xyz),
        seconds=round(found.seconds, 4),
        rmsd=round(found.rmsd, 3),
        method=METHOD,
    )


def _compute(run: Run) -> Conformer | InputError:
    """An error is an answer too, and kept like one."""
    try:
        plan = run.pipeline.parse(run.input)
        chains: Sequence[Any] = getattr(plan, "chains", ())
        mol = getattr(chains[0], "mol", None) if len(chains) == 1 else None
        sample = wire.decode_array(wire.parse_event(run.log[-1])["data"]["sample"])
        if mol is None or mol.GetNumAtoms() != sample.shape[-2] or mol.GetNumAtoms() < 2:
            return InputError("id", "the run holds no single organic molecule", ACCEPTED)
        first = sample[0] if sample.ndim == 3 else sample
        return etkdg(mol, first, run.settings.seed)
    except InputError as error:
        return error


Answers = WeakKeyDictionary[Run, "asyncio.Task[Conformer | InputError]"]


def _answers(request: Request) -> Answers:
    state = request.app.state
    if not hasattr(state, "etkdg"):
        state.etkdg = WeakKeyDictionary()
    answers: Answers = state.etkdg
    return answers


def _embedding(request: Request) -> anyio.CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "embedding"):
        state.embedding = anyio.CapacityLimiter(1)
    limiter: anyio.CapacityLimiter = state.embedding
    return limiter
