"""``GET /api/runs/{id}/events``: a run's log as Server-Sent Events."""

from __future__ import annotations

from contextlib import ExitStack

import anyio
from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.api import find_run, refusals
from app.clients import client_of
from app.sending import Held
from app.services import Has

MAX_DIGITS = 18  # no log is longer, and int() refuses thousands of digits

router = APIRouter(tags=["runs"])


class Stream(Held, EventSourceResponse):
    """A stream that counts among those of its client until it ends, however it does."""


@router.get(
    "/api/runs/{id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "start, frame ..., then done or error; ids count up from 0",
            "content": {"text/event-stream": {}},
        },
        204: {"description": "the run has ended and every event was seen: do not reconnect"},
        **refusals(404, 422, 429, 503),
    },
)
async def events(
    id: str,
    request: Request,
    services: Has,
    last_event_id: str | None = Header(None),
    last_event_id_query: str | None = Query(None, alias="last_event_id"),
) -> Response:
    """Streams the run. A client that names the last id it has seen (header Last-Event-ID, which
    EventSource sends by itself, or ``?last_event_id=``) gets everything after it, without a gap."""
    run = find_run(services, id)
    after = _index(last_event_id if last_event_id is not None else last_event_id_query)
    after = min(after, len(run.log) - 1)
    if run.closed and after == len(run.log) - 1:
        return Response(status_code=204)  # tells EventSource to stop reconnecting
    place = ExitStack()
    place.enter_context(services.admission.stream(client_of(request)))
    return Stream(
        place,
        services.runs.watch(run, after, places=True),
        headers={"Cache-Control": "no-store"},
        ping=services.settings.ping_s,
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        sep="\n",
        send_timeout=services.settings.send_s,
        # At shutdown the engine ends every run; this leaves the streams the time to say so.
        shutdown_event=anyio.Event(),
        shutdown_grace_period=services.settings.drain_s + max(0, services.settings.shutdown_s - 1),
    )


def _index(value: str | None) -> int:
    """An event id as a client sent it; anything else counts as "nothing seen yet"."""
    if value is None or len(value) > MAX_DIGITS or not (value.isascii() and value.isdigit()):
        return -1
    return int(value)
