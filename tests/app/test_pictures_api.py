"""Pictures over HTTP: uploads, references to them and to earlier runs, the map and the drawings."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest
from live import Live, all_events
from PIL import Image
from test_uploads import RED, file_of, halves, png
from toy import Toy

from app import wire

QUICK = {"seed": 3, "steps": 3}


def upload(server: Live, body: bytes, kind: str = "image/png") -> httpx.Response:
    return httpx.post(
        f"{server.url}/api/pictures", content=body, headers={"Content-Type": kind}, timeout=60
    )


def ask(server: Live, input: Any, pipeline: str = "dalle2", **settings: Any) -> httpx.Response:
    body = {"pipeline": pipeline, "input": input, "settings": {**QUICK, **settings}}
    return httpx.post(f"{server.url}/api/runs", json=body, timeout=60)


def drawn(server: Live, answer: httpx.Response) -> tuple[dict[str, Any], dict[str, Any]]:
    assert answer.status_code == 201, answer.text
    events = all_events(server.url + answer.json()["events"])
    assert events[-1]["event"] == "done", events[-1]
    return events[0]["data"], events[-1]["data"]


def problem(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    (found,) = answer.json()["detail"]
    assert found["message"] and found["accepted"]
    return found


@pytest.fixture(scope="module")
def toy_server():
    from live import live

    picture, dots = Toy("image", "toy"), Toy(id="dots")
    server = live({"toy": picture, "dots": dots}, max_picture_bytes=50_000, max_pictures=3)
    yield server
    server.end()


def test_an_upload_answers_with_what_will_be_used(toy_server: Live) -> None:
    answer = upload(toy_server, file_of(halves(120, 90)))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["width"], told["height"]) == (120, 90) and len(told["id"]) >= 22
    pixels = wire.decode_array(told["image"])
    assert pixels.shape == (32, 32, 3) and np.abs(pixels[4].astype(int) - RED).max() <= 2


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "image/png", 415),
        (b"nothing", "image/png", 415),
        (file_of(halves(), "JPEG"), "image/png", 415),
        (file_of(halves()), "application/json", 415),
        (png(40_000, 40_000, bytes(1000)), "image/png", 422),
        (file_of(halves())[:100], "image/png", 422),
        (bytes(50_001), "image/png", 413),
    ],
)
def test_what_cannot_be_used_is_refused(
    toy_server: Live, body: bytes, kind: str, status: int
) -> None:
    problem(upload(toy_server, body, kind), status)


def test_a_body_of_unknown_length_is_bounded_too(toy_server: Live) -> None:
    def endless():
        while True:
            yield bytes(10_000)

    answer = httpx.post(
        f"{toy_server.url}/api/pictures",
        content=endless(),
        headers={"Content-Type": "image/png"},
        timeout=60,
    )
    problem(answer, 413)


def test_only_this_call_takes_large_bodies(toy_server: Live) -> None:
    limit = toy_server.services.settings.max_body
    assert limit < 100_000
    answer = httpx.post(f"{toy_server.url}/api/runs", content=bytes(limit + 1))
    problem(answer, 413)


def test_a_forgotten_upload_asks_to_be_uploaded_again(toy_server: Live) -> None:
    ids = [upload(toy_server, file_of(halves())).json()["id"] for _ in range(4)]
    found = problem(ask(toy_server, {"variation_of": {"picture": ids[0]}}, "toy"), 422)
    assert found["field"] == "input.variation_of.picture" and "again" in found["accepted"]
    kept = ask(toy_server, {"variation_of": {"picture": ids[-1]}}, "toy")
    start, _ = drawn(toy_server, kept)
    assert start["input"]["variation_of"]["image"]["shape"] == [32, 32, 3]


@pytest.mark.parametrize(
    ("end", "field"),
    [
        ({"picture": 5}, ""),
        ({"picture": "x", "more": 1}, ""),
        ({"picture": "../../etc/passwd"}, ".picture"),
        ({"run": "unknown"}, ".run"),
        ({"run": 5}, ""),
        ({"run": "x", "sample": -1}, ".sample"),
        ({"run": "x", "sample": "0"}, ".sample"),
        ({"run": "x", "sample": True}, ".sample"),
        ({"run": "x", "picture": "y"}, ""),
    ],
)
@pytest.mark.parametrize("place", ["variation_of", "interpolate.from", "interpolate.to", "diff.of"])
def test_a_reference_that_leads_nowhere_names_its_field(
    toy_server: Live, place: str, end: dict[str, Any], field: str
) -> None:
    input: Any = end
    for name in reversed(place.split(".")):
        input = {name: input}
    found = problem(ask(toy_server, input, "toy"), 422)
    assert found["field"] == f"input.{place}{field}"


def test_a_picture_of_a_run_is_taken_from_its_record(toy_server: Live) -> None:
    first = ask(toy_server, {"how": "well"}, "toy", samples=2)
    _, done = drawn(toy_server, first)
    id = first.json()["id"]
    start, _ = drawn(toy_server, ask(toy_server, {"diff": {"of": {"run": id, "sample": 1}}}, "toy"))
    used = wire.decode_array(start["input"]["diff"]["of"]["image"])
    assert used.shape == (32, 32, 3)
    shown = Image.fromarray(wire.decode_array(done["sample"])[1]).resize(
        (32, 32), Image.Resampling.BOX
    )
    assert np.array_equal(used, np.asarray(shown))
    found = problem(ask(toy_server, {"variation_of": {"run": id, "sample": 2}}, "toy"), 422)
    assert found["field"].endswith(".sample") and "0 to 1" in found["accepted"]


def test_a_run_of_something_else_has_no_picture(toy_server: Live) -> None:
    dots = ask(toy_server, {"how": "well"}, "dots")
    drawn(toy_server, dots)
    found = problem(ask(toy_server, {"variation_of": {"run": dots.json()["id"]}}, "toy"), 422)
    assert found["field"] == "input.variation_of.run"


@pytest.mark.parametrize("depth", [40, 400, 900, 5000])
def test_brackets_without_end_are_no_crash(toy_server: Live, depth: int) -> None:
    end = '{"a":' * depth + "1" + "}" * depth
    body = f'{{"pipeline": "toy", "input": {{"interpolate": {{"from": {end}}}}}}}'
    answer = httpx.post(f"{toy_server.url}/api/runs", content=body, timeout=60)
    assert problem(answer, 422)["field"] in ("input", "body")


@pytest.mark.parametrize("path", ["map", "drawings/0.png"])
@pytest.mark.parametrize("id", ["toy", "nothing"])
def test_only_pipelines_that_have_drawings_show_them(toy_server: Live, id: str, path: str) -> None:
    problem(httpx.get(f"{toy_server.url}/api/pipelines/{id}/{path}"), 404)


# -- the application as shipped ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def apple(live_server: Live) -> dict[str, Any]:
    """A training drawing of an apple, drawn by hand over HTTP: looked up, fetched and uploaded."""
    pipeline = live_server.services.pipelines.get("dalle2")
    index = pipeline.judge.drawings.labels.index("red apple")  # type: ignore[attr-defined]
    answer = httpx.get(f"{live_server.url}/api/pipelines/dalle2/drawings/{index}.png")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (32, 32)
    uploaded = upload(live_server, answer.content)
    assert uploaded.status_code == 201
    return uploaded.json()


def test_variations_of_an_upload_are_named_like_it(live_server: Live, apple: Any) -> None:
    answer = ask(live_server, {"variation_of": {"picture": apple["id"]}}, steps=8, samples=2)
    start, done = drawn(live_server, answer)
    assert start["kind"] == "variation" and start["ends"]["of"]["image"] == apple["image"]
    assert start["input"] == {"variation_of": {"image": apple["image"]}}
    named = {entry["label"] for entry in done["judged"][0] + done["judged"][1]}
    assert named & {"red apple", "tomato", "cherries", "green apple", "peach"}
    assert min(done["embed_cosine"]) > 0.7
    assert done["nearest"][0]["clip"]["vendor"] and done["clip_score"] is None


def test_an_export_of_a_trick_is_complete_by_itself(live_server: Live, apple: Any) -> None:
    """Sent back as it stands, the recorded input draws the same picture on any server."""
    input = {"interpolate": {"from": {"picture": apple["id"]}, "to": {"prompt": "a cat"}}}
    answer = ask(live_server, input, samples=2)
    _, done = drawn(live_server, answer)
    id = answer.json()["id"]
    document = httpx.get(f"{live_server.url}/api/runs/{id}/export.json").json()
    assert document["input"]["interpolate"]["from"] == {"image": apple["image"]}
    body = {"pipeline": "dalle2", "input": document["input"], "settings": document["settings"]}
    _, again = drawn(live_server, httpx.post(f"{live_server.url}/api/runs", json=body, timeout=60))
    first, second = (wire.decode_array(d["sample"]).astype(int) for d in (done, again))
    assert np.abs(first - second).mean() < 1


@pytest.mark.parametrize(
    ("input", "samples", "field"),
    [
        ({"variation_of": {"prompt": "a cat"}}, 0, "settings.samples"),
        ({"variation_of": {"prompt": "a cat"}}, 999, "settings.samples"),
        ({"interpolate": {"from": {"prompt": "a cat"}}}, 3, "input.interpolate.to"),
        (
            {"interpolate": {"from": {"prompt": "a cat"}, "to": {"prompt": "a dog"}}},
            1,
            "settings.samples",
        ),
        ({"diff": {"from": "a cat"}}, 3, "input.diff.to"),
        ({"prompt": "a cat", "variation_of": {"prompt": "a cat"}}, 3, "input.variation_of"),
    ],
)
def test_a_trick_that_cannot_be_done_is_refused(
    live_server: Live, input: Any, samples: int, field: str
) -> None:
    assert problem(ask(live_server, input, samples=samples), 422)["field"] == field


def test_a_trick_gets_as_many_samples_as_make_sense(live_server: Live) -> None:
    path = {"interpolate": {"from": {"prompt": "a cat"}, "to": {"prompt": "a dog"}}}
    for input, expected in ((path, 6), ({"variation_of": {"prompt": "a cat"}}, 4)):
        body = {"pipeline": "dalle2", "input": input, "settings": QUICK}
        answer = httpx.post(f"{live_server.url}/api/runs", json=body, timeout=60)
        assert answer.json()["settings"]["samples"] == expected
        httpx.delete(f"{live_server.url}/api/runs/{answer.json()['id']}")


def test_the_map_is_asked_for_once(live_server: Live) -> None:
    url = f"{live_server.url}/api/pipelines/dalle2/map"
    answer = httpx.get(url)
    found = answer.json()
    projection, mean = wire.decode_array(found["projection"]), wire.decode_array(found["mean"])
    assert projection.shape == (2, 256) and mean.shape == (256,) and found["scale"] == 16
    assert len(found["points"]) > 1200 and len({p["group"] for p in found["points"]}) == 8
    tag = answer.headers["etag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}'):
        again = httpx.get(url, headers={"If-None-Match": sent})
        assert again.status_code == 304 and not again.content
    assert httpx.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("index", ["-1", "999999", "1e3", "٣", "0x1", "99999999999999999999"])
def test_a_drawing_that_is_not_there(live_server: Live, index: str) -> None:
    answer = httpx.get(f"{live_server.url}/api/pipelines/dalle2/drawings/{index}.png")
    assert problem(answer, 404)["field"] == "index"
