"""Every export is opened by a program that did not write it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import av
import httpx
import numpy as np
import pytest
from live import Live, all_events, live
from PIL import Image
from rdkit import Chem
from toy import ETHANOL, Toy

from app.molecule_files import FileMolecule, slices
from app.sdf_file import sdf
from app.wire import decode_array

KINDS = ("particles", "image", "molecule")


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({kind: Toy(kind, id=kind) for kind in KINDS})
    yield started
    started.end()


@pytest.fixture(scope="module")
def runs(server: Live) -> dict[str, str]:
    """A finished run of each kind, two samples, four steps: kind -> URL."""
    urls = {}
    for kind in KINDS:
        body = {"pipeline": kind, "input": {}, "settings": {"seed": 3, "samples": 2, "steps": 4}}
        run = httpx.post(f"{server.url}/api/runs", json=body).json()
        all_events(server.url + run["events"])
        urls[kind] = f"{server.url}/api/runs/{run['id']}"
    return urls


def export(url: str, format: str) -> httpx.Response:
    answer = httpx.get(f"{url}/export.{format}", timeout=60)
    assert answer.status_code == 200, answer.text
    assert f".{format}" in answer.headers["content-disposition"]
    return answer


def test_json_holds_settings_versions_and_the_events_that_were_streamed(
    runs: dict[str, str],
) -> None:
    answer = export(runs["image"], "json")
    document = answer.json()
    assert answer.headers["content-disposition"] == 'attachment; filename="twofold-image-3.json"'
    assert document["settings"]["seed"] == 3
    assert document["checkpoints"] == {"toy.safetensors": "0123456789ab"}
    assert set(document["versions"]) == {"python", "twofold", "torch", "numpy"}
    assert document["events"] == all_events(f"{runs['image']}/events")


def test_csv_has_a_row_per_frame(runs: dict[str, str]) -> None:
    comment, *lines = export(runs["particles"], "csv").text.splitlines()
    assert json.loads(comment.removeprefix("# "))["settings"]["seed"] == 3
    rows = list(csv.DictReader(lines))
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3]
    assert float(rows[0]["sigma"]) == pytest.approx(10)
    assert float(rows[0]["sigma_over_data"]) == pytest.approx(20)


def test_csv_takes_the_settling_curves_of_the_done_event() -> None:
    from app.exports import FORMATS, Recording

    frame = {"stage": "s", "steps": 2, "sigma_over_data": 2.0, "log_snr": 0.0, "sigma": 1.0}
    settling = {
        "bands": [{"name": "low", "error": [1.0, 0.25]}],
        "stage": ["s", "s"],
        "step": [0, 1],
    }
    events = [
        {"event": "start", "data": {}},
        {"event": "frame", "data": {**frame, "step": 0}},
        {"event": "frame", "data": {**frame, "step": 1}},
        {"event": "done", "data": {"settling": settling}},
    ]
    text = FORMATS["csv"].write(Recording({"events": events})).decode()
    assert [row["error_low"] for row in csv.DictReader(text.splitlines()[1:])] == ["1.0", "0.25"]


@pytest.mark.parametrize("kind", KINDS)
def test_png_shows_the_samples_and_carries_the_settings(runs: dict[str, str], kind: str) -> None:
    picture = Image.open(io.BytesIO(export(runs[kind], "png").content))
    picture.load()
    assert picture.size == (1024, 512)
    assert json.loads(picture.text["Twofold"])["settings"]["seed"] == 3  # type: ignore[attr-defined]
    assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 1


def test_png_of_an_image_is_its_pixels(runs: dict[str, str]) -> None:
    done = all_events(f"{runs['image']}/events")[-1]["data"]
    picture = np.asarray(Image.open(io.BytesIO(export(runs["image"], "png").content)))
    assert (picture[32:512:64, 544::64] == decode_array(done["sample"])[1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gif_has_a_picture_per_frame(runs: dict[str, str], kind: str) -> None:
    film = Image.open(io.BytesIO(export(runs[kind], "gif").content))
    assert film.n_frames == 4  # type: ignore[attr-defined]
    assert film.size == (512, 2 * 256 + 24)
    assert json.loads(film.info["comment"])["settings"]["steps"] == 4


@pytest.mark.parametrize("kind", KINDS)
def test_mp4_decodes(runs: dict[str, str], kind: str) -> None:
    with av.open(io.BytesIO(export(runs[kind], "mp4").content)) as film:
        frames = list(film.decode(video=0))
        assert json.loads(film.metadata["comment"])["settings"]["seed"] == 3
    assert len(frames) >= 4
    assert (frames[0].width, frames[0].height) == (512, 536)
    first, last = (frames[k].to_ndarray(format="rgb24") for k in (0, -1))
    assert (first != last).any()


def test_cif_is_a_trajectory_from_noise_to_data_with_the_graph_s_bonds(
    runs: dict[str, str],
) -> None:
    text = export(runs["molecule"], "cif").text
    lines = text.splitlines()
    assert lines[0] == "data_twofold"
    assert '"seed": 3' in text and "noise -> data" in text
    columns = [line.removeprefix("_atom_site.") for line in lines if line.startswith("_atom_site.")]
    rows = [
        dict(zip(columns, line.split(), strict=True))
        for line in lines
        if line.startswith(("ATOM", "HETATM"))
    ]
    assert len(rows) == 5 * 3  # four frames and the sample
    assert [row["pdbx_PDB_model_num"] for row in rows[::3]] == ["1", "2", "3", "4", "5"]
    assert [row["label_atom_id"] for row in rows[:3]] == ["C1", "C2", '"O\'"']
    done = all_events(f"{runs['molecule']}/events")[-1]["data"]
    last = np.array([[float(row[f"Cartn_{axis}"]) for axis in "xyz"] for row in rows[-3:]])
    assert np.allclose(last, decode_array(done["sample"])[0], atol=6e-4)
    assert 'EOH C2 "O\'" sing N 2' in lines


def test_sdf_is_the_molecule_that_was_asked_for(runs: dict[str, str]) -> None:
    reader = Chem.SDMolSupplier()
    reader.SetData(export(runs["molecule"], "sdf").text)
    molecules = list(reader)
    assert [Chem.MolToSmiles(molecule) for molecule in molecules] == ["CCO", "CCO"]
    positions = molecules[0].GetConformer().GetPositions()
    assert np.allclose(positions, ETHANOL, atol=0.2)
    assert json.loads(molecules[1].GetProp("twofold").replace("\n", ""))["settings"]["seed"] == 3


def test_sdf_keeps_charges_and_grows_beyond_999_atoms() -> None:
    atoms: list[dict[str, Any]] = [{"element": "C", "charge": 0} for _ in range(1100)]
    atoms[0] = {"element": "N", "charge": 1}
    bonds = [[i, i + 1, 1] for i in range(1099)]
    positions = np.zeros((1, 1100, 3), np.float32)
    positions[0, :, 0] = 1.5 * np.arange(1100)
    for count in (20, 1100):
        start = {"atoms": atoms[:count], "bonds": bonds[: count - 1]}
        reader = Chem.SDMolSupplier()
        reader.SetData(sdf(FileMolecule(start), positions[:, :count], "{}"))
        (molecule,) = reader
        assert molecule.GetNumAtoms() == count
        assert molecule.GetAtomWithIdx(0).GetFormalCharge() == 1
        assert molecule.GetConformer().Is3D()


def test_what_makes_no_sense_is_refused(runs: dict[str, str]) -> None:
    for kind, format in (("image", "cif"), ("particles", "sdf"), ("molecule", "exe")):
        answer = httpx.get(f"{runs[kind]}/export.{format}")
        assert answer.status_code == 422
        problem = answer.json()["detail"][0]
        assert problem["field"] == "format"
        assert problem["accepted"].startswith("one of json, csv, png, gif, mp4")
        assert ("cif" in problem["accepted"]) == (kind == "molecule")


@pytest.mark.parametrize("kind", KINDS)
def test_key_frames_go_from_noise_to_the_end(runs: dict[str, str], kind: str) -> None:
    answer = export(runs[kind], "strip.png")
    assert answer.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    assert picture.size == (4 * 256, 2 * 256 + 24)  # four frames, noisy above denoised
    assert json.loads(picture.text["Twofold"])["settings"]["seed"] == 3  # type: ignore[attr-defined]
    cells = np.asarray(picture.convert("RGB"))[:512].reshape(2, 256, 4, 256, 3)
    assert (cells[0, :, 0] != cells[0, :, 3]).any() and (cells[1, :, 0] != cells[1, :, 3]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_archive_holds_every_sample_and_the_texts(runs: dict[str, str], kind: str) -> None:
    with zipfile.ZipFile(io.BytesIO(export(runs[kind], "zip").content)) as archive:
        assert archive.testzip() is None
        texts = {"run.json", "run.csv"} | (
            {"run.cif", "run.sdf", "run.pdb"} if kind == "molecule" else set()
        )
        assert set(archive.namelist()) == texts | {"sample-1.png", "sample-2.png"}
        whole = np.asarray(Image.open(io.BytesIO(export(runs[kind], "png").content)))
        for k in (0, 1):
            one = Image.open(io.BytesIO(archive.read(f"sample-{k + 1}.png")))
            assert (np.asarray(one) == whole[:, 512 * k : 512 * (k + 1)]).all()
            assert json.loads(one.text["Twofold"])["pipeline"] == kind  # type: ignore[attr-defined]
        assert json.loads(archive.read("run.json"))["settings"]["samples"] == 2


@pytest.mark.parametrize("text", ["", "word", "ab c  de " * 60, "x" * 500, " lead and trail "])
def test_a_text_cut_into_lines_is_whole_again_even_without_its_outer_blanks(text: str) -> None:
    for width in (68, 200):
        lines = slices(text, width)
        assert "".join(lines) == text and all(len(line) <= width for line in lines)
        inner = [lines[0].rstrip() if len(lines) > 1 else lines[0]]
        inner += [line.strip() for line in lines[1:-1]] + [line.lstrip() for line in lines[1:][-1:]]
        assert "".join(inner) == text


def test_pdb_carries_the_settings_in_its_remarks(runs: dict[str, str]) -> None:
    lines = export(runs["molecule"], "pdb").text.splitlines()
    said = "".join(line[11:] for line in lines if line.startswith("REMARK 998 "))
    assert json.loads(said)["settings"]["seed"] == 3
    assert all(len(line) <= 80 for line in lines)
