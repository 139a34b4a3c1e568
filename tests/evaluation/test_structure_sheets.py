"""Still pictures of structures: the right hand, the right colours, the crystal beneath, sizes kept."""

import numpy as np
import pytest
from PIL import Image

from models.alphafold3.examples import EXAMPLES
from models.evaluation.molecules_sheets import CONTACT_EXAMPLES
from models.evaluation.sheets import save_sheet
from models.evaluation.structure_pictures import (
    COLOURS,
    CRYSTAL,
    PAPER,
    Drawing,
    picture,
    rainbow,
    sheet,
    smooth,
    view_axes,
)


def drawing(elements=("C", "O"), **given) -> Drawing:
    xyz = np.array([[-2.0, 0, 0], [2.0, 0.5, 0]])
    bonds = np.array([[0, 1]])
    return Drawing(xyz, elements, bonds, ("one", "two"), **given)


def near(image: Image.Image, colour: tuple[int, ...], within: int = 12) -> int:
    return int((np.abs(np.asarray(image).astype(int) - colour).max(-1) < within).sum())


def test_the_view_is_a_rotation_along_the_flattest_direction():
    xyz = np.random.default_rng(0).normal(0, (5, 2, 0.5), (50, 3))
    axes = view_axes(xyz)
    assert np.linalg.det(axes) == pytest.approx(1)
    spread = ((xyz - xyz.mean(0)) @ axes.T).std(0)
    assert spread[0] > spread[1] > spread[2]


def test_elements_have_their_colours():
    image = picture(drawing(), 120)
    assert near(image, COLOURS["O"]) > 50 and near(image, COLOURS["C"]) > 50
    assert near(picture(drawing(("C", "N")), 120), COLOURS["O"]) == 0
    assert image.getpixel((2, 2)) == PAPER


def test_the_crystal_lies_beneath():
    under = np.array([[-2.0, 1.5, 0], [2.0, 2.0, 0]])
    assert near(picture(drawing(under=under), 120), CRYSTAL) > near(
        picture(drawing(), 120), CRYSTAL
    )


def test_a_trace_runs_from_blue_to_red():
    (first, _, blue), (red, _, last) = rainbow(0), rainbow(1)
    assert blue > first and red > last
    curve = smooth(np.array([[0.0, 0, 0], [1, 1, 0], [2, 0, 0]]), between=4)
    assert len(curve) == 9 and curve[4] == pytest.approx([1, 1, 0])


def test_a_sheet_holds_all_and_keeps_its_limit(tmp_path):
    whole = sheet([drawing() for _ in range(5)], 60, 2)
    assert whole.size == (120, 3 * (60 + 2 * 15 + 8))
    assert near(whole.crop((0, 196, 60, 256)), COLOURS["O"]) > 10  # the fifth, alone in its row
    save_sheet(whole, tmp_path / "sheet.webp", 6_000)
    assert (tmp_path / "sheet.webp").stat().st_size <= 6_000


def test_every_example_of_the_contact_sheet_is_one_of_the_pipelines():
    assert set(CONTACT_EXAMPLES) <= {example.label for example in EXAMPLES}
    assert len(CONTACT_EXAMPLES) == 12
