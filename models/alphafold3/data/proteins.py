"""Protein backbones for training and testing, from ProMod3's structure database.

Compact 64-residue crops of longer chains and whole chains of 16-63 residues: N, CA, C, O, secondary
structure and the sequence profile. Split by sequence cluster (30 % identity, coverage 0.5): test =
clusters of chains deposited late (mid-2016 on) that hold no earlier chain; validation = 300 other
clusters; demo = clusters that contain a relative of a famous small protein, kept out of training so
that the page can show it; train = the rest.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.alphafold3.data.ccd import MissingSource
from models.alphafold3.data.promod3 import GET, Chain, StructureDatabase, read
from models.alphafold3.data.store import quantise
from models.alphafold3.polymer import CA, residue_ids

CROP, SHORTEST = 64, 16
REACH = 65.0  # A from the centre that int16 coordinates can hold; no compact crop comes near
LATE = re.compile(r"^(5[L-PT-Z]|6[A-G])")  # PDB ids from mid-2016 on (old hand-picked ids excluded)
VALIDATION_CLUSTERS = 300
DATABASE = "usr/share/promod3/loop_data/structure_db.dat"
# Famous small proteins; the database holds close relatives of most under other PDB ids.
DEMOS = {
    "crambin": "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN",
    "Trp-cage": "NLYIQWLKDGGPSSGRPPPS",
    "villin headpiece": "LSDEDFKAVFGMTRSAFANLPLWKQQNLKKEKGLF",
    "ubiquitin": "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG",
    "protein G (B1)": "MTYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE",
    "engrailed homeodomain": "RPRTAFSSEQLARLKREFNENRYLTERRRQQLSSELGLNEAQIKIWFQNKRAKI",
    "BPTI": "RPDFCLEPPYTGPCKARIIRYFYNAKAGLCQTFVYGGCRAKRNNFKSAEDCMRTCGGA",
    "protein A (B)": "TADNKFNKEQQNAFYEILHLPNLNEEQRNGFIQSLKDDPSQSANLLAEAKKLNDAQAPKA",
    "WW domain": "KLPPGWEKRMSRSSGRVYYFNHITNASQWERPSG",
    "spectrin SH3": "MDETGKELVLALYDYQEKSPREVTMKKGDILTLLNSTNKDWWKVEVNDRQGFVPAAYVKKLD",
    "insulin B": "FVNQHLCGSHLVEALYLVCGERGFFYTPKT",
}


def find_database(folder: Path = Path("cache/promod3")) -> Path:
    """The database file in ``folder`` or where the Debian package installs it. Raises MissingSource."""
    for path in (folder / DATABASE, Path("/") / DATABASE):
        if path.is_file():
            return path
    raise MissingSource(f"ProMod3's structure database is missing: {GET}")


def _mmseqs(*arguments: str) -> None:
    program = os.environ.get("MMSEQS") or shutil.which("mmseqs")
    if program is None:
        raise MissingSource(
            "mmseqs is missing: apt-get install mmseqs2 (or point the variable MMSEQS at the program)"
        )
    subprocess.run([program, *arguments, "--threads", "1", "-v", "1"], check=True)


def _fasta(path: Path, sequences: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in sequences.items()))
    return path


def cluster(sequences: dict[str, str]) -> tuple[dict[str, str], set[str]]:
    """-> (cluster representative of every chain, representatives of clusters a demo protein touches)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        chains = _fasta(folder / "chains.fasta", sequences)
        names = {f"demo{k}": letters for k, letters in enumerate(DEMOS.values())}
        demos = _fasta(folder / "demos.fasta", names)
        print("mmseqs: clustering at 30 % identity (about 90 s)")
        options = ("--min-seq-id", "0.3", "-c", "0.5")
        _mmseqs("easy-cluster", str(chains), str(folder / "out"), str(folder / "tmp"), *options)
        lines = (folder / "out_cluster.tsv").read_text().split("\n")
        parent = {b: a for a, b in (line.split("\t") for line in lines if line)}
        hits = folder / "hits.tsv"
        _mmseqs("easy-search", str(demos), str(chains), str(hits), str(folder / "tmp"), "-s", "7.5")
        touched = set()
        for line in hits.read_text().split("\n"):
            if line:
                _query, target, identity, *_, evalue, _bits = line.split("\t")
                if float(evalue) < 1e-3 or float(identity) > 0.5:
                    touched.add(parent[target])
    return parent, touched


def radius_of_gyration(ca: np.ndarray) -> float:
    """ca: (T, 3) A."""
    return float(np.sqrt(((ca - ca.mean(0)) ** 2).sum(-1).mean()))


def compact(backbone: np.ndarray) -> bool:
    """(T, 4, 3): radius of gyration within 1.2 of the expected 2.2 T^0.38 A (Skolnick et al. 1997)."""
    return radius_of_gyration(backbone[:, CA]) < 1.2 * 2.2 * len(backbone) ** 0.38


def pieces(database: StructureDatabase, chain: Chain) -> Iterator[tuple[int, int]]:
    """(start, stop) of what is kept of a chain: all of a short one, compact crops of a longer one."""
    backbone = database.backbone(chain)
    if SHORTEST <= chain.size < CROP:
        yield 0, chain.size
        return
    for start in range(0, chain.size - CROP + 1, CROP):
        if compact(backbone[start : start + CROP]):
            yield start, start + CROP


def assign_splits(parent: dict[str, str], demo_clusters: set[str], seed: int = 0) -> dict[str, str]:
    """Cluster -> "train", "val", "test" or "demo"."""
    early = {root for name, root in parent.items() if not LATE.match(name)}
    splits = {root: "test" if root not in early else "train" for root in set(parent.values())}
    splits.update({root: "demo" for root in demo_clusters})
    free = sorted(root for root, split in splits.items() if split == "train")
    chosen = np.random.default_rng(seed).permutation(len(free))[
        : min(VALIDATION_CLUSTERS, len(free) // 10)
    ]
    splits.update({free[k]: "val" for k in chosen})
    return splits


def collect(
    database: StructureDatabase, parent: dict[str, str], splits: dict[str, str]
) -> dict[str, np.ndarray]:
    """The arrays of ``proteins.npz``: flat per residue, and one row per piece."""
    flat: dict[str, list[np.ndarray]] = {
        key: [] for key in ("residues", "backbone", "profile", "dssp")
    }
    rows: dict[str, list[object]] = {
        key: [] for key in ("name", "start", "count", "cluster", "split")
    }
    for chain in tqdm(database.chains, "backbones"):
        root = parent[chain.name]
        split = splits[root]
        backbone = database.backbone(chain)
        wanted = list(pieces(database, chain))
        if split == "demo" and CROP <= chain.size <= 2 * CROP:
            wanted = [(0, chain.size)]
        for start, stop in wanted:
            xyz = backbone[start:stop].reshape(-1, 3)
            if np.abs(xyz - xyz.mean(0)).max() > REACH:
                continue
            here = slice(chain.offset + start, chain.offset + stop)
            flat["residues"].append(residue_ids(database.sequence[here].tobytes().decode()))
            flat["backbone"].append(quantise(xyz).reshape(-1, 4, 3))
            flat["profile"].append(np.round(database.profile[here] / 1e4 * 255).astype(np.uint8))
            flat["dssp"].append(np.array(database.dssp[here]))
            for key, value in zip(
                rows, (chain.name, start, stop - start, root, split), strict=True
            ):
                rows[key].append(value)
    arrays = {key: np.concatenate(values) for key, values in flat.items()}
    return arrays | {key: np.array(values) for key, values in rows.items()}


def build(cache: Path = Path("cache"), database: Path | None = None) -> Path:
    """Builds ``proteins/proteins.npz`` below ``cache``.

    Raises MissingSource when the database or mmseqs is not there.
    """
    source = read(database or find_database(cache / "promod3"))
    parent, demo_clusters = cluster({chain.name: source.letters(chain) for chain in source.chains})
    arrays = collect(source, parent, assign_splits(parent, demo_clusters))
    out = cache / "proteins"
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "proteins.npz", **arrays)  # type: ignore[arg-type]
    split = arrays["split"]
    print(
        f"{len(split)} pieces: "
        + str({s: int((split == s).sum()) for s in sorted(set(split.tolist()))})
    )
    return out / "proteins.npz"
