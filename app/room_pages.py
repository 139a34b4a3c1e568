"""The pages of a room: where a code is typed, and the stage as a follower sees it."""

from __future__ import annotations

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.admission import Busy
from app.languages import link
from app.pages import templates
from app.rooms import normal
from app.rooms_api import find_room
from app.schemas import BadRequest
from app.services import Has
from app.static import gzipped

router = APIRouter(include_in_schema=False)


@router.get("/room")
async def join(request: Request, code: str = Query("", max_length=64)) -> Response:
    """A field for the code. It works without scripts: the form asks for this page again."""
    if normal(code):
        return RedirectResponse(link(request, f"/room/{normal(code)}"), 303)
    problem = "malformed" if code else ""
    context = {"problem": problem, "typed": code[:12]}
    return gzipped(
        templates.TemplateResponse(
            request, "room_join.html", context, status_code=404 if code else 200
        ),
        request,
    )


@router.get("/room/{code}")
async def follow(code: str, request: Request, services: Has) -> Response:
    """The stage as a follower, or the field again with what is wrong."""
    context: dict[str, object] = {"typed": code[:12]}
    try:
        room = await find_room(code, request, services, pass_="")
    except BadRequest:
        context["problem"] = "unknown" if normal(code) else "malformed"
        return gzipped(
            templates.TemplateResponse(request, "room_join.html", context, status_code=404), request
        )
    except Busy as error:
        services.metrics.busy.labels(error.reason).inc()
        context |= {"problem": "often", "seconds": error.retry_after}
        headers = {"Retry-After": str(error.retry_after)}
        return gzipped(
            templates.TemplateResponse(request, "room_join.html", context, 429, headers), request
        )
    if code != room.head.code:
        return RedirectResponse(link(request, f"/room/{room.head.code}"), 303)
    return gzipped(templates.TemplateResponse(request, "stage.html", {"follower": True}), request)
