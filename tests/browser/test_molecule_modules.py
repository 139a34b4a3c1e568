"""The pure modules about molecules: what was typed, colours, distances, superposition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SEQUENCE = "MKVLAAGIV"


def protein(count: int, chain: str = "A", kind: str = "protein") -> list[dict[str, Any]]:
    return [
        {"element": "C", "name": name, "chain": chain, "kind": kind, "residue": "ALA",
         "residue_index": t + 1, "token": t}
        for t in range(count) for name in ("N", "CA")
    ]  # fmt: skip


KINDS = {
    "GATTACA": "dna",
    "gattaca": "dna",
    "GGGCGCAAGCCU": "rna",
    "ACGT": "dna",
    "GAC": "ccd",
    "ADP": "ccd",
    "MKVLA": "protein",
    ">x\nGATTACA": "dna",
    ">x\nGGUUCC": "rna",
    ">x\nMKV": "protein",
    ">a\nGATTACA\n>b\nMKVLA": "fasta",
    ">a ⏎ GATTACA ⏎ >b ⏎ MKVLA": "fasta",
    "CCO": "smiles",
    "c1ccccc1": "smiles",
}


def test_sequences_of_every_kind_are_recognised(module: Any) -> None:
    got = module("input_kind", "return a.map((text) => m.guessKind(text));", list(KINDS))
    assert dict(zip(KINDS, got, strict=True)) == KINDS


def test_polymers_profiles_and_fasta_go_out_and_come_back(module: Any) -> None:
    got = module(
        "input_kind",
        """return {dna: m.inputOf('gatt aca', 'dna'),
          count: m.countOf('>a\\nGA\\n>b\\nGU', 'fasta'),
          fasta: m.inputOf('>a\\nGATT\\nACA\\n>b\\nGGU\\n>c\\nMKV', 'fasta'),
          text: [{dna: 'GA'}, {protein: 'MK', profile: true}, {sequences: []}].map(m.textOf),
          kind: [{rna: 'GU'}, {protein: 'MK', profile: true}, {sequences: []}].map(m.kindOf)};""",
    )
    assert got["dna"] == {"dna": "GATTACA"} and got["count"] == 2
    assert got["fasta"] == {
        "sequences": [
            {"dna": {"id": "A", "sequence": "GATTACA"}},
            {"rna": {"id": "B", "sequence": "GGU"}},
            {"protein": {"id": "C", "sequence": "MKV"}},
        ]
    }
    assert got["text"] == ["GA", "MK", '{"sequences":[]}']
    assert got["kind"] == ["rna", "protein", "json"]


LOOK = """const {Molecule} = await import('/static/js/molecule.js');
  const {lookOf, stylesOf, styleOf} = await import('/static/js/molecule_look.js');
  const mol = new Molecule(a);"""


def test_colours_follow_what_is_asked_and_what_there_is(module: Any) -> None:
    atoms = [*protein(6), {"element": "ZN", "name": "ZN", "chain": "Z", "kind": "ion", "token": 6}]
    got = module(
        "molecule_colours",
        LOOK
        + """const plddt = mol.atoms.map((_, i) => 100 - 8 * i);
        return {modes: [m.modesOf(mol, true), m.modesOf(mol, false)],
          element: m.coloursOf(mol, 'element', null).at(-1),
          chain: new Set(m.coloursOf(mol, 'chain', null)).size,
          plddt: m.coloursOf(mol, 'plddt', plddt),
          bands: [90.1, 90, 70, 50, 0].map((v) => m.bandOf(v).key),
          natural: new Set(m.coloursOf(mol, 'natural', null)).size,
          legend: m.legendOf(mol, 'chain', null).map(({text}) => text)};""",
        {"atoms": atoms, "bonds": []},
    )
    assert got["modes"] == [
        ["natural", "element", "chain", "entity", "plddt"],
        ["natural", "element", "chain", "entity"],
    ]
    assert got["element"] == "#7d80b0" and got["chain"] == 2
    assert got["plddt"][0] == got["plddt"][1] == "#0053d6" and got["plddt"][-1] == "#ff7d45"
    assert got["bands"] == ["very_high", "high", "low", "very_low", "very_low"]
    assert got["natural"] == 7  # six residues along the chain, and zinc
    assert got["legend"] == ["chain A (protein)", "chain Z (ion)"]


def test_ribbons_are_for_chains_and_modified_residues_keep_their_atoms(module: Any) -> None:
    atoms = protein(6)
    atoms[5]["residue"] = "MSE"
    pocket = [atom | {"residue_index": 10 * atom["residue_index"]} for atom in protein(6)]
    script = (
        LOOK
        + """const look = lookOf(mol, {style: a.wish}, null);
        const keys = (i) => Object.keys(styleOf(mol, look, i, true, 1)).sort().join();
        return {styles: stylesOf(mol), style: look.style, keys: mol.atoms.map((_, i) => keys(i)),
          noisy: Object.keys(styleOf(mol, look, 1, false, 0.1)), size: mol.diameter,
          tokens: mol.tokens.length, atom: mol.tokens[2].atom, of: mol.tokenOf[5]};"""
    )
    whole = module("molecule_look", script, {"atoms": atoms, "bonds": [], "wish": None})
    assert whole["styles"] == ["sticks", "spheres", "cartoon"] and whole["style"] == "cartoon"
    assert whole["keys"][1] == "cartoon" and whole["keys"][5] == "cartoon,stick"
    assert whole["noisy"] == ["stick"]  # no ribbon is wound through noise
    assert (whole["tokens"], whole["atom"], whole["of"]) == (6, 5, 2)
    assert 5 < whole["size"] < 20
    pieces = module("molecule_look", script, {"atoms": pocket, "bonds": [], "wish": None})
    assert pieces["style"] == "sticks"  # single residues make no ribbon
    site = [*atoms, {"element": "ZN", "name": "ZN", "chain": "Z", "kind": "ion", "token": 6}]
    near = module("molecule_look", script, {"atoms": site, "bonds": [], "wish": None})
    assert near["style"] == "sticks"  # what holds an ion is shown for its atoms
    small = [{"element": "C", "name": "C1", "kind": "ligand", "chain": "L"}] * 2
    got = module("molecule_look", script.replace("mol.tokens[2]", "mol.tokens[0]"),
                 {"atoms": small, "bonds": [[0, 1, 1]], "wish": "cartoon"})  # fmt: skip
    assert got["styles"] == ["sticks", "spheres"] and got["style"] == "sticks"


def test_distances_are_measured_thinned_and_summed_up(module: Any) -> None:
    xyz = np.random.default_rng(0).normal(size=(9, 3)) * 8
    atoms = [0, 2, 5, 8]
    got = module(
        "distances",
        """const d = m.distancesOf(Float32Array.from(a.xyz), a.atoms);
        const e = {size: 4, values: d.values.map((v, i) => i % 5 ? v + 2 : 0)};
        return {d: [...d.values], near: m.nearPairs(d), both: m.nearPairs(d, e),
          gap: m.meanOf(m.gapOf(d, e)),
          thin: [m.thinned(5), m.thinned(128).length, m.thinned(300).slice(0, 3)],
          chosen: [...m.chosenOf([0, 1, 2, 3, 4, 5, 6, 7, 8], 3, [0, 2]).values],
          ends: [...m.painted({size: 1, values: [0]}, 10, [1, 2, 3], [9, 9, 9]),
            ...m.painted({size: 1, values: [99]}, 10, [1, 2, 3], [9, 9, 9])]};""",
        {"xyz": xyz.ravel().tolist(), "atoms": atoms},
    )
    true = np.linalg.norm(xyz[atoms][:, None] - xyz[atoms][None], axis=-1)
    np.testing.assert_allclose(got["d"], true.ravel(), atol=1e-4)
    upper = true[np.triu_indices(4, 1)]
    assert got["near"] == (upper < 8).sum() and got["both"] == (upper < 6).sum()
    assert got["gap"] == pytest.approx(2, abs=1e-4)
    assert got["thin"] == [[0, 1, 2, 3, 4], 128, [0, 3, 6]]
    assert got["chosen"] == [0, 2, 6, 8]
    assert got["ends"] == [1, 2, 3, 255, 9, 9, 9, 255]


def test_superposition_finds_the_turn_and_no_mirror_image(module: Any) -> None:
    rng = np.random.default_rng(2)
    fixed = rng.normal(size=(12, 3)) * 4
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moving = fixed @ turn + [5, -3, 1]
    got = module(
        "superpose",
        """const {rotated} = await import('/static/js/orientation.js');
        const {turn, rmsd} = m.superpose(a.moving.flat(), a.fixed.flat());
        const mirror = m.superpose(a.fixed.flat().map((v, i) => i % 3 ? v : -v), a.fixed.flat()).rmsd;
        const noisy = a.fixed.flat().map((v, i) => v + (i % 2 ? 0.5 : -0.5));
        return {rmsd, mirror, turned: a.moving.map((p) => rotated(turn, p)),
          spread: m.spread([a.fixed.flat(), a.moving.flat(), a.fixed.flat()]),
          noisy: m.superpose(noisy, a.fixed.flat()).rmsd};""",
        {"moving": moving.tolist(), "fixed": fixed.tolist()},
    )
    assert got["rmsd"] == pytest.approx(0, abs=1e-5) and got["spread"] == pytest.approx(0, abs=1e-5)
    assert got["mirror"] > 1
    laid = np.array(got["turned"])
    np.testing.assert_allclose(laid - laid.mean(0), fixed - fixed.mean(0), atol=1e-6)
    noise = np.where(np.arange(36) % 2, 0.5, -0.5).reshape(12, 3)
    assert 0 < got["noisy"] <= np.sqrt((noise**2).sum(1).mean()) + 1e-9


def test_the_atom_under_the_pointer_is_the_nearer_one(module: Any) -> None:
    points = [
        {"x": 10, "y": 10, "depth": 0},
        {"x": 12, "y": 10, "depth": 5},
        {"x": 90, "y": 9, "depth": 0},
    ]
    got = module(
        "atom_marks",
        """const all = () => true;
        return [m.atomAt(a, 11, 10, all), m.atomAt(a, 88, 9, all), m.atomAt(a, 50, 50, all),
          m.atomAt(a, 11, 10, (i) => i !== 1)];""",
        points,
    )
    assert got == [1, 2, None, 0]
