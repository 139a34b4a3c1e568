"""Whether something that was typed, or a close relative, was in training: *seen*, *similar* or *unseen*.

One table, ``models/tables/alphafold3-seen.safetensors``, made from the training split by
:mod:`models.alphafold3.data.seen_tables`:

- ``molecules``, ``scaffolds``: hashes of connectivities and Murcko scaffolds;
- ``fragments``: a bit per 8-residue fragment of the protein crops (by hash, one fragment in four);
- ``dna``, ``rna``: a bit per stretch of 8 (DNA, both strands) or 6 (RNA) nucleotides;
- ``sites``, ``site_starts``, ``site_trained``: for every pocket, ion shell and interface the hashes of its
  neighbouring residues with their distance along the chain, so that a relative with other numbers is still
  found; and whether the cut-out itself was trained on or only the backbone of the chain it is from.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from rdkit import Chem

from models.alphafold3.chains import Chain
from models.alphafold3.data.molecules import scaffold_smiles

Training = Literal["seen", "similar", "unseen"]
RANK: Mapping[Training, int] = {"unseen": 0, "similar": 1, "seen": 2}
FRAGMENT = 8  # residues
FRAGMENT_BITS = 22
STRETCH = {"dna": 8, "rna": 6}  # nucleotides
SEEN_SHARE, SIMILAR_SHARE = 0.8, 0.25
# A pocket is known when half of its pairs of neighbouring residues stand in one training crop.
SEEN_SITE, SIMILAR_SITE, SITE_BITS = 0.5, 0.2, 16
LEAST_FEATURES = 3
_BASES = {"A": 0, "C": 1, "G": 2, "T": 3, "U": 3}


def text_hash(text: str) -> int:
    """64 bits of BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def fragment_bits(sequence: str) -> np.ndarray:
    """Places in the bit table of the fragments of ``sequence``; only one fragment in four, chosen by
    its own hash, has a place, which keeps the table small and the choice equal on both sides."""
    hashes = [text_hash(sequence[i : i + FRAGMENT]) for i in range(len(sequence) - FRAGMENT + 1)]
    return np.array([(h >> 2) % (1 << FRAGMENT_BITS) for h in hashes if h % 4 == 0], np.int64)


def stretch_bits(sequence: str, kind: str) -> np.ndarray:
    """Places in the bit table of ``kind`` of every stretch of a strand: its letters as a number."""
    length = STRETCH[kind]
    digits = [_BASES[letter] for letter in sequence]
    return np.array(
        [
            sum(digit << 2 * k for k, digit in enumerate(digits[i : i + length]))
            for i in range(len(digits) - length + 1)
        ],
        np.int64,
    )


def site_features(residues: Iterable[tuple[int, int, str]]) -> np.ndarray:
    """residues: (chain, number, component) of a cut-out in chain order -> sorted distinct hashes (uint16)
    of every residue with the next two of its chain and how far they are along it."""
    listed = list(residues)
    found = set()
    for k, (chain, number, comp) in enumerate(listed):
        for chain_2, number_2, comp_2 in listed[k + 1 : k + 3]:
            if chain == chain_2:
                found.add(text_hash(f"{comp} {number_2 - number} {comp_2}") % (1 << SITE_BITS))
    return np.array(sorted(found), np.uint16)


class Seen:
    """The labels, from the table's arrays."""

    def __init__(self, table: Mapping[str, np.ndarray]) -> None:
        self.table = table
        self.bits = {kind: np.unpackbits(table[kind]) for kind in ("fragments", "dna", "rna")}
        starts = table["site_starts"].astype(np.int64)
        self.sites = [table["sites"][a:b] for a, b in itertools.pairwise(starts)]

    def molecule(self, mol: Chem.Mol) -> Training:
        """``seen``: same connectivity as a training molecule; ``similar``: same Murcko scaffold."""
        if _member(self.table["molecules"], Chem.MolToInchiKey(mol).split("-")[0]):
            return "seen"
        scaffold = scaffold_smiles(mol)
        return "similar" if scaffold and _member(self.table["scaffolds"], scaffold) else "unseen"

    def protein(self, sequence: str) -> Training | None:
        """By the share of its 8-residue fragments that occur in a training crop: over 80 % or 25 %.
        None for what is too short to tell: every short stretch occurs somewhere."""
        return self._by_share(self.bits["fragments"][fragment_bits(sequence)])

    def strand(self, sequence: str, kind: str) -> Training | None:
        """As :meth:`protein`, by the strand's stretches."""
        return self._by_share(self.bits[kind][stretch_bits(sequence, kind)])

    @staticmethod
    def _by_share(hits: np.ndarray) -> Training | None:
        if len(hits) == 0:
            return None
        share = float(hits.mean())
        return "seen" if share > SEEN_SHARE else "similar" if share > SIMILAR_SHARE else "unseen"

    def site(self, features: np.ndarray) -> Training | None:
        """By the crop that shares most of the cut-out's :func:`site_features`; one of which only the
        chain's backbone was trained on makes it ``similar``."""
        if len(features) < LEAST_FEATURES:
            return None
        best = {True: 0.0, False: 0.0}
        for own, trained in zip(self.sites, self.table["site_trained"].tolist(), strict=True):
            share = len(np.intersect1d(features, own, assume_unique=True)) / len(features)
            best[bool(trained)] = max(best[bool(trained)], share)
        if best[True] >= SEEN_SITE:
            return "seen"
        alike = best[True] >= SIMILAR_SITE or best[False] >= SEEN_SITE
        return "similar" if alike else "unseen"

    def chains(self, chains: Sequence[Chain]) -> Training:
        """Of a whole input: the best known of its parts counts, so that "unseen" promises something.
        Beside a polymer its ligands and ions do not count: nearly all are in training by themselves."""
        polymers = [chain for chain in chains if chain.polymer and chain.mol is None]
        if not polymers:
            labels = [self.molecule(c.mol) for c in chains if c.mol is not None and c.kind != "ion"]
            return max(labels, key=RANK.__getitem__)
        found = [self._polymer(chain) for chain in polymers if not chain.positions]
        cut = [
            (number, chain.number(place), comp)
            for number, chain in enumerate(polymers)
            if chain.positions
            for place, comp in enumerate(chain.components())
            if place not in chain.modifications
        ]
        found.append(self.site(site_features(cut)))
        known = [label for label in found if label is not None]
        return max(known, key=RANK.__getitem__) if known else "similar"

    def _polymer(self, chain: Chain) -> Training | None:
        if chain.kind == "protein":
            return self.protein(chain.sequence)
        return self.strand(chain.sequence, chain.kind)


def _member(table: np.ndarray, text: str) -> bool:
    value = np.uint64(text_hash(text))
    place = int(np.searchsorted(table, value))
    return place < len(table) and table[place] == value
