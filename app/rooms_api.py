"""The calls of rooms: a presenter opens one and says what is shown, a class follows and answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app.admission import Busy
from app.api import read_body
from app.clients import public_base, site_of
from app.qr import qr_code
from app.room import Change, Room
from app.room_response import RoomStream
from app.room_state import (
    AnswerIn,
    FollowerId,
    Heard,
    PollIn,
    RevealIn,
    RoomOpened,
    RoomView,
    StateIn,
    read,
)
from app.schemas import BadRequest, Problems, Strict, run_schema
from app.services import Has, Services

router = APIRouter(tags=["rooms"])

_REFUSALS = {
    403: "the key is not this room's",
    404: "no room has this code, or it has ended",
    408: "the body did not arrive in time",
    409: "the question is not open",
    413: "the body is too large",
    422: "a field cannot be used",
    429: "too often from one address, see Retry-After",
    503: "full, see Retry-After",
}
Key = Annotated[str, Header(alias="X-Room-Key", description="the presenter's key", max_length=200)]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the 4xx and 5xx answers of a call."""
    return {status: {"model": Problems, "description": _REFUSALS[status]} for status in statuses}


def takes(model: type[Strict], required: bool = True) -> dict[str, Any]:
    """OpenAPI entry for the body of a call that reads it by itself, in bounds."""
    content = {"application/json": {"schema": run_schema(model)}}
    return {"requestBody": {"required": required, "content": content}}


async def find_room(
    code: str, request: Request, services: Has, pass_: str = Query("", alias="pass", max_length=64)
) -> Room:
    """The room with this code. Unknown and expired look alike; whoever asks for many that are unknown
    has to wait, also for those that exist. ``pass`` was told with the room, its holders never wait.
    Raises a 404 BadRequest, Busy."""
    room = await services.rooms.find(code)
    if room and room.head.admits(pass_):
        return room
    client = site_of(request)
    if wait := services.lookups.wait_s(client):
        raise Busy(429, "lookups", "too many unknown room codes from your address", wait, {})
    if room is None:
        services.lookups.take(client)
        raise BadRequest.one(
            "code", "no room has this code", "the code of a room that is open", status=404
        )
    return room


Found = Annotated[Room, Depends(find_room)]


def present(room: Found, key: Key = "") -> Room:
    """The room, for its presenter. Raises a 403 BadRequest."""
    if not room.head.opens_with(key):
        raise BadRequest.one(
            "X-Room-Key", "is not this room's key", "the key that was told at opening", status=403
        )
    return room


Presented = Annotated[Room, Depends(present)]


@router.post("/api/rooms", status_code=201, responses=refusals(429, 503))
async def open_room(request: Request, response: Response, services: Has) -> RoomOpened:
    """Opens a room. The answer's key is the presenter's: it is told only here."""
    client = site_of(request)
    if wait := services.openings.wait_s(client):
        raise Busy(429, "openings", "your address has opened many rooms", wait, {})
    room, key = await services.rooms.open()
    services.openings.take(client)
    code = room.head.code
    response.headers["Location"] = f"/api/rooms/{code}"
    url = follow_url(request, services, code)
    left = timedelta(seconds=services.rooms.seconds_left(room))
    return RoomOpened(
        code=code,
        key=key,
        url=url,
        expires=(datetime.now(UTC) + left).isoformat(timespec="seconds"),
        reachable=not _loopback(urlsplit(url).hostname),
    )


@router.get("/api/rooms/{code}", responses=refusals(404, 429))
async def room_view(room: Found) -> RoomView:
    """What the room shows now, and where to follow it."""
    code, known = room.head.code, f"?pass={room.head.pass_}"
    return RoomView(
        code=code,
        events=f"/api/rooms/{code}/events{known}",
        answers=f"/api/rooms/{code}/answers{known}",
        followers=room.followers,
        version=room.version,
        state=room.shown(),
        poll=room.poll.public() if room.poll else None,
    )


@router.get(
    "/api/rooms/{code}/events",
    response_class=RoomStream,
    status_code=200,  # the class takes none, and the OpenAPI document asks
    responses={
        200: {
            "description": "room (the newest state and poll), run (an event of a run), ended",
            "content": {"text/event-stream": {}},
        },
        **refusals(404, 429, 503),
    },
)
async def room_events(
    room: Found, services: Has, last_event_id: str | None = Header(None)
) -> Response:
    """Follows the room: at once its newest state, then the events of its runs (after Last-Event-ID, if
    given), then both as they come. Ids are those of run events; a state needs none."""
    place = ExitStack()
    place.enter_context(services.rooms.admit(room))
    seen = last_event_id or ""
    after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 30 else 0
    settings = services.settings
    blocks = services.rooms.follow(room, after)
    return RoomStream(blocks, settings.ping_s, settings.send_s, place)


@router.post(
    "/api/rooms/{code}/state",
    responses=refusals(403, 404, 408, 413, 422, 429),
    openapi_extra=takes(StateIn),
)
async def set_state(room: Presented, request: Request, services: Has) -> Heard:
    """The presenter's stage as it is now. The answer tells who follows and how they answered."""
    state = read(StateIn, await _body(request, services))
    for name, panel in state.panels.items():
        if panel.run and not services.rooms.can_show(room, panel.run):
            raise BadRequest.one(
                f"panels.{name}.run", "no run has this id", "a run that was started lately"
            )
    await services.rooms.tell(room, Change("state", state.model_dump_json().encode()))
    return heard(room, services)


@router.post(
    "/api/rooms/{code}/poll",
    status_code=201,
    responses=refusals(403, 404, 408, 413, 422, 429),
    openapi_extra=takes(PollIn),
)
async def ask(room: Presented, request: Request, services: Has) -> Heard:
    """Asks the class. A question that was open is replaced."""
    poll = read(PollIn, await _body(request, services))
    await services.rooms.tell(room, Change("poll", json.dumps(poll.asked()).encode()))
    return heard(room, services)


@router.post(
    "/api/rooms/{code}/poll/reveal",
    responses=refusals(403, 404, 408, 413, 422, 429),
    openapi_extra=takes(RevealIn, required=False),
)
async def reveal(room: Presented, request: Request, services: Has) -> Heard:
    """Shows everybody the tally and the right answer. Answers are closed. A question that was asked
    without a right answer may be given one now; the body may be left out."""
    body = await _body(request, services)
    right = (read(RevealIn, body) if body else RevealIn()).right
    asked: Mapping[str, Any] = room.poll.asked if room.poll else {"count": 0, "right": None}
    if right is not None and (right >= asked["count"] or asked["right"] not in (None, right)):
        raise BadRequest.one(
            "right",
            "does not fit the question",
            "one of its options, if it came without a right one",
        )
    await services.rooms.tell(room, Change.of("reveal", right=right))
    return heard(room, services)


@router.delete("/api/rooms/{code}/poll", responses=refusals(403, 404, 429))
async def clear_poll(room: Presented, services: Has) -> Heard:
    """Takes the question away."""
    await services.rooms.tell(room, Change("clear"))
    return heard(room, services)


@router.post(
    "/api/rooms/{code}/answers",
    status_code=204,
    responses=refusals(404, 408, 409, 413, 422, 429),
    openapi_extra=takes(AnswerIn),
)
async def answer(
    room: Found,
    request: Request,
    services: Has,
    follower: Annotated[FollowerId, Header(alias="X-Follower", description="16 random letters")],
) -> None:
    """A follower's answer to the open question; it may be changed until the reveal."""
    given = read(AnswerIn, await _body(request, services))
    poll = room.poll
    if poll is None or poll.number != given.poll or poll.revealed:
        raise BadRequest.one("poll", "is not open", "the number of the open poll", status=409)
    count = poll.asked["count"]
    if given.option >= count:
        raise BadRequest.one("option", "is not one of the options", f"0 to {count - 1}")
    change = Change.of("answer", poll=given.poll, follower=follower, option=given.option)
    await services.rooms.tell(room, change)


@router.delete("/api/rooms/{code}", status_code=204, responses=refusals(403, 404, 429))
async def close_room(room: Presented, services: Has) -> None:
    """Ends the room: every follower is told."""
    await services.rooms.end(room, "closed")


@router.get(
    "/api/rooms/{code}/qr.svg",
    response_class=Response,
    responses={
        200: {"description": "a picture", "content": {"image/svg+xml": {}}},
        **refusals(404, 422, 429),
    },
)
async def qr(room: Found, request: Request, services: Has) -> Response:
    """The room's address as a QR code."""
    return await qr_code(follow_url(request, services, room.head.code), request, "Host")


async def _body(request: Request, services: Services) -> bytes:
    settings = services.settings
    return await read_body(request, settings.room_state_bytes, settings.body_s)


def heard(room: Room, services: Services) -> Heard:
    return Heard(
        version=room.version,
        followers=room.followers,
        seconds_left=round(services.rooms.seconds_left(room), 1),
        poll=room.poll.number if room.poll else None,
        tally=room.poll.tally() if room.poll else None,
        right=room.poll.asked["right"] if room.poll else None,
    )


def follow_url(request: Request, services: Services, code: str) -> str:
    """What followers open."""
    return f"{phone_base(request, services)}/room/{code}"


def phone_base(request: Request, services: Services) -> str:
    """The page's address for other people's devices, without a slash at its end. Whoever came by
    ``localhost`` is told the address of this computer in its network, if the server listens there:
    "localhost" on a phone is the phone."""
    settings = services.settings
    base = urlsplit(settings.public_url or public_base(request))
    if _loopback(base.hostname) and not _loopback(settings.host):
        if lan := _own_address():
            base = base._replace(netloc=f"{lan}:{base.port}" if base.port else lan)
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/"), "", ""))


def _loopback(host: str | None) -> bool:
    try:
        return host is None or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _own_address() -> str | None:
    """This computer's address in its network; nothing is sent to find it out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documentation: never a real host
            address: str = probe.getsockname()[0]
        except OSError:
            return None
    return None if _loopback(address) else address
