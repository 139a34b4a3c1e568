"""The models' command line: a sample without a server, and mistakes told in one line."""

import pytest

from models.__main__ import main
from models.sample import read_input


def test_sample_writes_a_file(tmp_path, capsys) -> None:
    out = tmp_path / "spiral.xyz"
    assert main(["sample", "dye", "spiral", "--out", str(out), "--steps", "5", "--seed", "3"]) == 0
    lines = out.read_text().splitlines()
    assert int(lines[0]) == len(lines) - 2
    assert "seed 3" in lines[1]
    assert str(out) in capsys.readouterr().out


def test_a_mistake_is_one_line_and_status_2(tmp_path, capsys) -> None:
    assert main(["sample", "dye", "duck", "--out", str(tmp_path / "x.xyz")]) == 2
    error = capsys.readouterr().err.strip()
    assert "input.shape" in error and "spiral" in error and "\n" not in error.split("models: ")[-1]


def test_unknown_command_lists_the_known(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["data", "videos"])
    assert "images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pipeline", "text", "expected"),
    [
        ("dalle2", "a cat", {"prompt": "a cat"}),
        ("alphafold3", "ATP", {"ccd": "ATP"}),
        ("alphafold3", "CCO", {"ccd": "CCO"}),
        ("alphafold3", "c1ccccc1", {"smiles": "c1ccccc1"}),
        ("alphafold3", "MKVLAAGLLK", {"protein": "MKVLAAGLLK"}),
        ("alphafold3", '{"smiles": "CCO"}', {"smiles": "CCO"}),
    ],
)
def test_short_forms(pipeline: str, text: str, expected) -> None:
    assert read_input(pipeline, text) == expected
