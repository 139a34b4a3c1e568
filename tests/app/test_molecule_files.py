"""Files of molecules, read again by biotite and RDKit: a complex with everything that a run may hold."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from app.exports import FORMATS, Recording
from app.molecule_files import FileMolecule
from app.pdb_file import DoesNotFit, pdb
from app.schemas import BadRequest
from app.wire import encode_array

PEPTIDE = ["N", "CA", "C", "O"]
BONDS_OF = {"N": ["CA"], "CA": ["C"], "C": ["O"]}
# chain, kind, residues (name, number), atoms of each
CHAINS: list[tuple[str, str, list[tuple[str, int]], list[str]]] = [
    ("A", "protein", [("GLY", 1), ("MSE", 2), ("ALA", 3)], PEPTIDE),
    ("P", "protein", [("HIS", 94), ("HIS", 96)], PEPTIDE),  # given in pieces
    ("D", "dna", [("DA", 1), ("DG", 2)], ["P", "O5'", "C5'", "O3'"]),
    ("E", "dna", [("DA", 1), ("DG", 2)], ["P", "O5'", "C5'", "O3'"]),
    ("R", "rna", [("A", 1), ("PSU", 2)], ["P", "O5'", "C5'", "O3'"]),
]
NITRO = [("N1", "N", 1), ("O1", "O", -1), ("O2", "O", 0), ("C1", "C", 0)]


def complex_start() -> dict[str, Any]:
    atoms: list[dict[str, Any]] = []
    bonds: list[list[int]] = []
    for chain, kind, residues, names in CHAINS:
        before: dict[str, int] = {}
        last = 0
        for residue, number in residues:
            own = {}
            for name in names:
                own[name] = len(atoms)
                atoms.append(
                    {"element": name[0], "name": name, "chain": chain, "residue": residue,
                     "residue_index": number, "charge": 0, "kind": kind}
                )  # fmt: skip
            bonds += [[own[a], own[b], 2 if (a, b) == ("C", "O") else 1]
                      for a, near in BONDS_OF.items() for b in near if a in own]  # fmt: skip
            tail, head = ("C", "N") if kind == "protein" else ("O3'", "P")
            if before and number == last + 1:
                bonds.append([before[tail], own[head], 1])
            before, last = own, number
    first = len(atoms)
    for name, element, charge in NITRO:
        atoms.append({"element": element, "name": name, "charge": charge, "chain": "L",
                      "residue": "A1LU6", "residue_index": -1, "kind": "ligand"})  # fmt: skip
    bonds += [[first, first + 1, 1], [first, first + 2, 2], [first, first + 3, 1]]
    atoms.append({"element": "Zn", "name": "ZN", "charge": 2, "chain": "Z", "residue": "ZN",
                  "residue_index": -1, "kind": "ion"})  # fmt: skip
    return {"atoms": atoms, "bonds": bonds, "chains": []}


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Two samples, one frame, pLDDT from 0 to 100 along the atoms of the first sample."""
    start = complex_start()
    count = len(start["atoms"])
    rng = np.random.default_rng(0)
    sample = rng.uniform(-20, 20, (2, count, 3)).astype(np.float32)
    plddt = np.stack([np.linspace(0, 100, count), np.full(count, 40.0)]).astype(np.float32)
    noisy = encode_array(1000 * sample)
    frame = {"stage": "atoms", "step": 0, "steps": 1, "sigma": 55.0, "sigma_over_data": 9.0,
             "log_snr": -4.0, "x": noisy, "denoised": noisy}  # fmt: skip
    done = {
        "sample": encode_array(sample),
        "plddt": encode_array(plddt),
        "ranking": {"order": [1, 0], "score": [60.0, 50.0]},
        "settling": {"bands": [], "stage": ["atoms"], "step": [0]},
        "against_reference": {"lddt": [0.25], "rmsd": [7.5]},
    }
    events = [
        {"event": name, "data": data}
        for name, data in (("start", start), ("frame", frame), ("done", done))
    ]
    return Recording({"events": events, "settings": {"samples": 2, "seed": 3}})


def written(recording: Recording, format: str) -> str:
    return FORMATS[format].write(recording).decode()


def test_cif_is_read_with_chains_entities_numbers_and_bonds(recording: Recording) -> None:
    pytest.importorskip("biotite")
    from biotite.structure.io import pdbx

    file = pdbx.CIFFile.read(io.StringIO(written(recording, "cif")))
    stack = pdbx.get_structure(
        file, extra_fields=["b_factor", "charge"], include_bonds=True, use_author_fields=False
    )
    assert stack.stack_depth() == 2  # one frame, then the sample
    assert np.allclose(stack.coord[-1], recording.sample[0], atol=6e-4)
    assert np.allclose(stack.coord[0], 1000 * recording.sample[0], atol=6e-3)
    hetero = {f"{a.chain_id}/{a.res_name}" for a in stack[-1] if a.hetero}
    assert hetero == {"A/MSE", "R/PSU", "L/A1LU6", "Z/ZN"}
    assert stack.res_id[stack.chain_id == "A"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert stack.res_id[stack.chain_id == "P"].tolist() == [1] * 4 + [3] * 4  # the gap stays
    assert stack.charge[stack.chain_id == "L"].tolist() == [1, -1, 0, 0]
    assert recording.plddt is not None
    assert np.allclose(stack.b_factor, recording.plddt[0], atol=6e-3)
    found = {(min(i, j), max(i, j)) for i, j, _ in stack.bonds.as_array().tolist()}
    wanted = {(min(i, j), max(i, j)) for i, j, _ in recording.start["bonds"]}
    assert wanted <= found and len(found - wanted) == 0
    ligand = stack[0][stack.chain_id == "L"].bonds.as_array()[:, 2].tolist()
    assert sorted(ligand) == [1, 1, 2]


def test_cif_says_what_each_chain_is(recording: Recording) -> None:
    pytest.importorskip("biotite")
    from biotite.structure.io import pdbx

    text = written(recording, "cif")
    block = pdbx.CIFFile.read(io.StringIO(text)).block
    entity_of = dict(
        zip(*(block["struct_asym"][k].as_array() for k in ("id", "entity_id")), strict=True)
    )
    assert entity_of["D"] == entity_of["E"]  # the same sequence is the same entity
    assert len(set(entity_of.values())) == 6
    kinds = dict(zip(*(block["entity"][k].as_array() for k in ("id", "type")), strict=True))
    assert [kinds[entity_of[c]] for c in "APDRLZ"] == ["polymer"] * 4 + ["non-polymer"] * 2
    names = ("entity_id", "type", "pdbx_seq_one_letter_code", "nstd_monomer")
    columns = (block["entity_poly"][name].as_array() for name in names)
    poly = {id: told for id, *told in zip(*columns, strict=True)}
    assert poly[entity_of["A"]] == ["polypeptide(L)", "G(MSE)A", "yes"]
    assert poly[entity_of["P"]] == ["polypeptide(L)", "HXH", "no"]
    assert poly[entity_of["D"]] == ["polydeoxyribonucleotide", "(DA)(DG)", "no"]
    assert poly[entity_of["R"]] == ["polyribonucleotide", "A(PSU)", "yes"]
    places = block["entity_poly_seq"]
    rows = list(zip(*(places[k].as_array() for k in ("entity_id", "num", "mon_id")), strict=True))
    pocket = [(num, name) for entity, num, name in rows if entity == entity_of["P"]]
    assert pocket == [("1", "HIS"), ("2", "UNK"), ("3", "HIS")]
    assert float(block["ma_qa_metric_global"]["metric_value"].as_item()) == pytest.approx(50)
    assert block["ma_qa_metric_local"]["model_id"].as_array()[0] == "2"  # of the sample, no frame
    assert "noise -> data" in text and "predicted lDDT" in text
    assert block["ma_model_list"]["model_name"].as_array().tolist()[-1] == "sample"


def test_pdb_is_every_sample_in_narrow_columns(recording: Recording) -> None:
    pytest.importorskip("biotite")
    from biotite.structure.io.pdb import PDBFile

    text = written(recording, "pdb")
    assert max(map(len, text.splitlines())) <= 80
    stack = PDBFile.read(io.StringIO(text)).get_structure(
        extra_fields=["b_factor", "charge"], include_bonds=True
    )
    assert stack.stack_depth() == 2
    assert np.allclose(stack.coord, recording.sample, atol=6e-4)
    assert stack.element[-1] == "ZN" and stack.charge[-1] == 2
    assert set(stack.res_name[stack.chain_id == "L"]) == {"L00"}  # five letters do not fit
    assert "RESIDUE A1LU6 IS WRITTEN AS L00" in text
    assert "MODELS FROM MOST TO LEAST CONFIDENT: 2, 1" in text
    assert stack.res_id[stack.chain_id == "P"].tolist() == [94] * 4 + [96] * 4
    assert stack.hetero.tolist() == [
        not atom.standard for atom in FileMolecule(recording.start).atoms
    ]
    assert sum(line.startswith("TER") for line in text.splitlines()) == 2 * 5
    assert "SEQRES   1 A    3  GLY MSE ALA" in text
    conect = [line for line in text.splitlines() if line.startswith("CONECT")]
    atoms = [line for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]
    (nitrogen,) = [int(line[6:11]) for line in atoms[: len(atoms) // 2] if " N1 " in line]
    near = {int(n) for line in conect if int(line[6:11]) == nitrogen for n in line[11:].split()}
    assert near == {nitrogen + 1, nitrogen + 2, nitrogen + 3}


def test_pdb_refuses_what_its_columns_cannot_hold(recording: Recording) -> None:
    start = {"atoms": [{"element": "C"}] * 100_000, "bonds": []}
    with pytest.raises(DoesNotFit, match="99999"):
        pdb(FileMolecule(start), np.zeros((1, 100_000, 3), np.float32), "{}")
    one = {"atoms": [{"element": "C"}] * 2, "bonds": [[0, 1, 1]]}
    far = np.array([[[50_000, 0, 0], [50_001.5, 0, 0]]], np.float32)
    assert "   0.750   0.000   0.000" in pdb(FileMolecule(one), far, "{}")
    events = [
        {"event": "start", "data": one},
        {"event": "done", "data": {"sample": encode_array(far[0] * [[1], [-1]])}},
    ]
    with pytest.raises(BadRequest, match="do not fit"):
        FORMATS["pdb"].write(Recording({"events": events, "settings": {"samples": 1}}))


def test_sdf_holds_each_ligand_with_orders_charges_and_confidence(recording: Recording) -> None:
    reader = Chem.SDMolSupplier()
    reader.SetData(written(recording, "sdf"))
    records = list(reader)
    assert [Chem.MolToSmiles(mol) for mol in records] == ["C[N+](=O)[O-]", "[Zn+2]"] * 2
    assert recording.plddt is not None
    for k, (mol, atom) in enumerate(zip(records[::2], (1, 1), strict=True)):
        assert np.allclose(mol.GetConformer().GetPositions(), recording.sample[k, -5:-1], atol=6e-5)
        read = mol.GetAtomWithIdx(atom).GetDoubleProp("plddt")
        assert read == pytest.approx(recording.plddt[k, -4], abs=0.06)
    assert [mol.GetProp("confidence_rank") for mol in records] == ["2", "2", "1", "1"]
    assert records[2].GetProp("plddt_mean") == "40.00"
    assert json.loads(records[0].GetProp("twofold").replace("\n", ""))["settings"]["seed"] == 3


def test_a_long_ligand_keeps_its_confidence_list_whole() -> None:
    atoms = [{"element": "C", "name": f"C{i}", "kind": "ligand"} for i in range(120)]
    start = {"atoms": atoms, "bonds": [[i, i + 1, 1] for i in range(119)]}
    plddt = np.linspace(0, 100, 120)
    sample = np.random.default_rng(1).normal(size=(120, 3)).astype(np.float32)
    done = {"sample": encode_array(sample), "plddt": plddt.tolist()}
    events = [{"event": "start", "data": start}, {"event": "done", "data": done}]
    text = FORMATS["sdf"].write(Recording({"events": events, "settings": {"samples": 1}})).decode()
    assert max(map(len, text.splitlines())) <= 200
    reader = Chem.SDMolSupplier()
    reader.SetData(text)
    read = [atom.GetDoubleProp("plddt") for atom in next(reader).GetAtoms()]
    assert np.allclose(read, plddt, atol=0.06)


def test_csv_and_json_carry_the_new_numbers(recording: Recording) -> None:
    settings, confidence, head, row = written(recording, "csv").splitlines()
    assert json.loads(settings.removeprefix("# "))["settings"]["seed"] == 3
    told = json.loads(confidence.removeprefix("# "))
    assert told == {"plddt_mean": [50.0, 40.0], "ranking": [1, 0]}
    values = dict(zip(head.split(","), row.split(","), strict=True))
    assert (values["reference_lddt"], values["reference_rmsd"]) == ("0.25", "7.5")
    done = json.loads(written(recording, "json"))["events"][-1]["data"]
    assert done["ranking"]["order"] == [1, 0] and done["plddt"]["dtype"] == "float32"
