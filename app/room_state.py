"""What a presenter and a follower may send to a room, and the answers they get."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from app.room_polls import LESSONS, READY
from app.schemas import BadRequest, Problem, Strict

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
FollowerId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Option = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Typed = Annotated[str, StringConstraints(max_length=4000)]


class PanelIn(Strict):
    """What a panel shows: a run of this server, else the recorded one, else nothing."""

    run: Id | None = None
    recorded: bool = False
    sample: int = Field(default=0, ge=0, le=63)
    alone: bool = Field(default=False, description="one of several samples is shown large")


class PlayerIn(Strict):
    """Where the playhead is (``u``: 0 noise, 1 data) and whether it moves. ``following``: it runs with
    the frames as they are computed."""

    u: float = Field(ge=0, le=1)
    playing: bool = False
    following: bool = False
    loop: bool = False
    speed: float = Field(default=1, ge=0.1, le=16)


class InputsIn(Strict):
    """What the presenter has typed."""

    prompt: Typed = ""
    to: Typed = ""
    molecule: Typed = ""
    kind: Name = "auto"
    seed: Annotated[str, StringConstraints(max_length=20)] = ""


class LessonIn(Strict):
    id: Name
    step: int = Field(ge=0, le=999)


class StateIn(Strict):
    """Everything that followers see of the presenter's stage."""

    panels: dict[Name, PanelIn] = Field(max_length=8)
    player: PlayerIn
    mode: Name = Field(default="caption", description="what the picture panel was asked for")
    focus: Literal["both", "estimate", "noisy"] = "both"
    theme: Literal["light", "dark", "projector"] = "light"
    turn: tuple[float, float, float, float] | None = Field(
        default=None, strict=False, description="how the presenter turned the molecule, quaternion"
    )
    inputs: InputsIn | None = None
    lesson: LessonIn | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")] = "en"


class PollIn(Strict):
    """A question: ``ready`` names one of the page's own, else ``question`` with 2 to 4 ``options``,
    and ``right`` for the one that is (counting from 0), if one is."""

    ready: Name | None = None
    question: Words | None = None
    options: list[Option] | None = Field(default=None, min_length=2, max_length=4)
    right: int | None = Field(default=None, ge=0, le=3)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        own = self.question is not None and self.options is not None
        if self.ready is not None:
            if self.ready not in READY and self.ready not in LESSONS:
                raise ValueError(f"ready must be one of {', '.join([*READY, *LESSONS])}")
            if self.question is not None or self.options is not None or self.right is not None:
                raise ValueError("ready comes alone")
        elif not own:
            raise ValueError("needs ready, or question and options")
        elif self.right is not None and self.right >= len(self.options or ()):
            raise ValueError("right must be one of the options, counting from 0")
        return self

    def asked(self) -> dict[str, Any]:
        """As :class:`~app.room_polls.Poll` keeps it."""
        if self.ready is not None:
            count, right = READY.get(self.ready) or (LESSONS[self.ready], None)
            return {"ready": self.ready, "count": count, "right": right}
        assert self.options is not None
        kept = {"question": self.question, "options": self.options}
        return {**kept, "count": len(self.options), "right": self.right}


class RevealIn(Strict):
    """``right``: what the stage has measured, for a question that was asked without a right answer."""

    right: int | None = Field(default=None, ge=0, le=3)


class AnswerIn(Strict):
    """A follower's answer; a later one replaces it until the reveal."""

    poll: int = Field(ge=1, description="number of the poll")
    option: int = Field(ge=0, le=3, description="which option, counting from 0")


class RoomOpened(BaseModel):
    """A new room. ``key`` belongs to the presenter (header X-Room-Key) and is told only here."""

    code: str
    key: str
    url: str = Field(description="what followers open; the QR code holds the same")
    expires: str = Field(description="when the room ends at the latest")
    reachable: bool = Field(description="false if only this computer can open url")


class RoomView(BaseModel):
    """A room as anybody with its code sees it."""

    code: str
    events: str = Field(description="the room's event stream")
    answers: str = Field(description="where answers go")
    followers: int
    version: int
    state: dict[str, Any] | None
    poll: dict[str, Any] | None


class Heard(BaseModel):
    """What the presenter is told with every state: who is there and how they answered."""

    version: int
    followers: int
    seconds_left: float
    poll: int | None = Field(description="number of the open poll")
    tally: list[int] | None
    right: int | None


T = TypeVar("T", bound=Strict)

_ACCEPTED = {
    "missing": "a value",
    "extra_forbidden": "nothing of that name, see /docs",
    "string_pattern_mismatch": "letters, digits, - and _ only, and not too many",
    "too_long": "fewer",
    "value_error": "see /docs",
}


def read(model: type[T], body: bytes) -> T:
    """A request body as ``model``. Raises BadRequest."""
    try:
        data = json.loads(body)
        return model.model_validate(data)
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False)
        raise BadRequest(
            Problem(
                field=".".join(str(part) for part in item["loc"]) or "body",
                message=item["msg"],
                accepted=_accepted(item["type"], item.get("ctx", {})),
            )
            for item in items[:8]
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRequest.one("body", "is not JSON", "a JSON object") from error


def _accepted(kind: str, context: dict[str, Any]) -> str:
    if kind == "literal_error":
        return f"one of {context['expected']}"
    for key, words in (
        ("ge", "at least {}"),
        ("le", "at most {}"),
        ("max_length", "at most {} of them"),
        ("min_length", "at least {} of them"),
    ):
        if key in context:
            return words.format(context[key])
    return _ACCEPTED.get(kind, "see /docs")
