"""What may be the same in English and in another language."""

from __future__ import annotations

import re

# English texts that stand as they are in another language: names, units, and words that it shares.
SHARED = {
    "de": {
        "auto: {kind}", "ancestral (DDPM)", "Churn γ₀", "Code", "Euler (DDIM)", "Guidance", "Link",
        "linear", "live", "Pause", "PSNR in dB", "Sampler", "Seed", "Status", "Training",
        "{name} in Å", 'kind "explicit"', "RDKit: {reason}",
    },
    "es": {
        "auto: {kind}", "ancestral (DDPM)", "Euler (DDIM)", "final:", "final: {scores}", "ion", "Lab",
        "tokens", "top 1", "top 5", "top k", "Top k", "zinc", 'kind "explicit"', "RDKit: {reason}",
    },
    "zh": {"top k", "Top k", "Home", "End", "Shift", "Enter"},  # as Chinese keyboards have them
}  # fmt: skip
NAMES = re.compile(
    r"DALL·E \d|AlphaFold \d|Twofold|ETKDGv3|PoseBusters|Karras|Heun|DNA|RNA|ATP|SMILES|float32|PNG|GIF"
    r"|MP4|CSV|JSON|mmCIF|PDB|SDF|PSNR|RMSD|p?lDDT|TM-score|CLIP|FASTA|RDKit|\bms\b|\bvs\b|Å|×"
    r"|Retinal|Imatinib|Penicillin G|Crambin|BPTI|NAD|Glucose|Aspirin"
)


def same(text: str, language: str) -> bool:
    """Whether this text may stand on a page of that language as it stands on the English one."""
    shared = (re.escape(re.sub(r"\{\w+\}", "\0", one)) for one in SHARED[language])
    if any(re.fullmatch(one.replace("\0", ".+"), text) for one in shared):
        return True
    return re.search(r"[A-Za-z]{2}", NAMES.sub("", text)) is None
