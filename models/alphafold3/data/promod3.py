"""Reader of ProMod3's binary structure database (Debian package promod3-data).

The database is Apache-2.0, the PDB coordinates in it CC0.

Layout, little endian: a 0x49-byte header (magic 1234, version 2, sizes of C++ types), int32 of what is
stored, int64 n; n chain entries {u32 length + id, u32 length + chain name, u32 offset, u16 size,
u16 first residue number, 3 float32 shift}; then eight blocks {u64 count + values}: sequence,
coordinates (N, CA, C, O in 0.01 A after the shift), dihedral angles, solvent accessibility, residue
depth, DSSP, sequence profile, structure profile. Only the longest gap-free stretch of a chain is in it.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEADER = 0x49
MAGIC = 1234
PACKAGE = "promod3-data"
GET = (
    f"apt-get download {PACKAGE} && dpkg -x {PACKAGE}_*.deb cache/promod3 "
    "(371 MB, any Debian or Ubuntu; nothing needs to be installed)"
)


@dataclass(frozen=True)
class Chain:
    name: str  # PDB id and chain, "1ABC_A"
    offset: int  # first residue in the blocks
    size: int


@dataclass(frozen=True)
class StructureDatabase:
    """Chains and their residues. Arrays are memory-mapped, one row per residue of all chains."""

    chains: list[Chain]
    sequence: np.ndarray  # (R,) uint8, ASCII letters
    coordinates: np.ndarray  # (R, 4, 3) uint16, 0.01 A: N, CA, C, O
    dssp: np.ndarray  # (R,) uint8, ASCII letters
    profile: np.ndarray  # (R, 20) int16, probability x 1e4, order ACDEFGHIKLMNPQRSTVWY

    def letters(self, chain: Chain) -> str:
        return self.sequence[chain.offset : chain.offset + chain.size].tobytes().decode()

    def backbone(self, chain: Chain) -> np.ndarray:
        """(size, 4, 3) float32 A, in the chain's own frame."""
        rows = self.coordinates[chain.offset : chain.offset + chain.size]
        return rows.astype(np.float32) * 0.01


BLOCKS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("sequence", "<u1", ()),
    ("coordinates", "<u2", (4, 3)),
    ("dihedrals", "<i2", (2,)),
    ("accessibility", "<u2", ()),
    ("depth", "<u2", ()),
    ("dssp", "<u1", ()),
    ("profile", "<i2", (20,)),
    ("structure_profile", "<i2", (20,)),
)


def read(path: Path) -> StructureDatabase:
    """Raises ValueError when the file is no ProMod3 structure database of the known version."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, version = struct.unpack_from("<ii", data, 0)
    if magic != MAGIC or version != 2:
        raise ValueError(
            f"{path} is no ProMod3 structure database (magic {magic}, version {version})"
        )
    position = HEADER
    _stored, count = struct.unpack_from("<iq", data, position)
    position += 12
    chains = []
    for _ in range(count):
        words = []
        for _ in range(2):
            (length,) = struct.unpack_from("<I", data, position)
            words.append(data[position + 4 : position + 4 + length].decode().strip("\0"))
            position += 4 + length
        offset, size, _first = struct.unpack_from("<IHH", data, position)
        position += 8 + 12
        chains.append(Chain("_".join(words), offset, size))
    total = sum(chain.size for chain in chains)
    arrays: dict[str, np.ndarray] = {}
    for name, dtype, shape in BLOCKS:
        (held,) = struct.unpack_from("<Q", data, position)
        position += 8
        if held != total:
            raise ValueError(f"{path}: block {name} holds {held} residues, expected {total}")
        width = int(np.prod(shape, dtype=int))
        values = np.frombuffer(data, dtype, total * width, position)
        arrays[name] = values.reshape(total, *shape)
        position += values.nbytes
    return StructureDatabase(
        chains, arrays["sequence"], arrays["coordinates"], arrays["dssp"], arrays["profile"]
    )


def write_subset(source: Path, names: list[str], out: Path) -> None:
    """Copies the named chains into a small database of the same format (the tests' fixture)."""
    data = source.read_bytes()
    full = read(source)
    position = HEADER + 12
    entries: list[tuple[Chain, bytes]] = []
    for chain in full.chains:
        start = position
        for _ in range(2):
            position += 4 + struct.unpack_from("<I", data, position)[0]
        position += 20
        entries.append((chain, data[start:position]))
    kept = [(chain, entry) for chain, entry in entries if chain.name in names]
    parts = [
        data[:HEADER],
        struct.pack("<iq", *struct.unpack_from("<iq", data, HEADER)[:1], len(kept)),
    ]
    offset = 0
    for chain, entry in kept:
        # The offset is the first of the last five fields (u32, u16, u16, 3 float32).
        parts.append(entry[:-20] + struct.pack("<I", offset) + entry[-16:])
        offset += chain.size
    total = len(full.sequence)
    for _, dtype, shape in BLOCKS:
        width = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        position += 8
        parts.append(struct.pack("<Q", offset))
        for chain, _ in kept:
            parts.append(
                data[
                    position + chain.offset * width : position + (chain.offset + chain.size) * width
                ]
            )
        position += total * width
    out.write_bytes(b"".join(parts))
