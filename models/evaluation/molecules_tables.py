"""Rows of scored molecules to tables: means by size, paired differences with confidence intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.evaluation.molecules_scores import Judged, Row

RESAMPLES = 10_000
SIZES: Mapping[str, Callable[[int], bool]] = {
    "all": lambda n: True,
    "8-20": lambda n: n <= 20,
    "21-40": lambda n: n > 20,
}
# One number per molecule and method, smaller is better.
MEASURES: Mapping[str, Callable[[Row], float]] = {
    "best_of_1": lambda row: row.rmsd[0],
    "mean_of_samples": lambda row: float(np.mean(row.rmsd)),
    "best_of_samples": lambda row: min(row.rmsd),
}


def rounded(value: Any, digits: int = 4) -> float:
    return round(float(value), digits)


def mean(values: Any) -> float | None:
    return rounded(np.mean(values)) if len(values) else None


def middle(values: Sequence[float]) -> dict[str, float | None]:
    return {"mean": mean(values), "median": rounded(np.median(values)) if len(values) else None}


def interval(values: Sequence[float], seed: int = 0, resamples: int = RESAMPLES) -> list[float]:
    """95 % confidence interval of the mean by the percentile bootstrap. -> [low, high]"""
    given = np.asarray(values, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(given), (resamples, len(given)))
    low, high = np.percentile(given[drawn].mean(1), (2.5, 97.5))
    return [rounded(low), rounded(high)]


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Means over molecules (RMSD, errors) and over samples (validity, stereo)."""
    if not rows:
        return {"molecules": 0}
    stereo = [row for row in rows if row.has_stereo]
    full = [row.full for row in rows if row.full is not None]
    samples = len(rows[0].rmsd)
    of = {name: [measure(row) for row in rows] for name, measure in MEASURES.items()}
    out: dict[str, Any] = {
        "molecules": len(rows),
        "posebusters": mean([v for row in rows for v in row.valid]),
        "posebusters_full": mean(full),
        "posebusters_and_stereo": mean([r for row in rows for r in row.right]),
        "stereo_molecules": len(stereo),
        "stereo": mean([s for row in stereo for s in row.stereo]),
        "bond_mae_A": mean([row.bonds for row in rows]),
        "angle_mae_deg": mean([row.angles for row in rows]),
        "rmsd_best_of_1_A": middle(of["best_of_1"]),
        "rmsd_mean_A": mean(of["mean_of_samples"]),
        f"rmsd_best_of_{samples}_A": middle(of["best_of_samples"]),
        "diversity_A": mean([row.spread for row in rows]),
    }
    return {k: v for k, v in out.items() if v is not None or k != "posebusters_full"}


def by_size(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        name: summary([row for row in rows if chosen(row.size)]) for name, chosen in SIZES.items()
    }


def failures(rows: Sequence[Row]) -> dict[str, int]:
    """Samples by the check of PoseBusters that failed."""
    counts = Counter(name for row in rows for names in row.failed for name in names)
    counts.update(
        {f"{name} (full)": n for name, n in Counter(_full_only(rows)).items()},
    )
    return dict(counts.most_common())


def _full_only(rows: Sequence[Row]) -> list[str]:
    seen = {name for row in rows for names in row.failed for name in names}
    return [name for row in rows for name in row.full_failed if name not in seen]


def paired(
    first: Sequence[Row], second: Sequence[Row], names: tuple[str, str] = ("model", "etkdg")
) -> dict[str, Any]:
    """Two methods on the same molecules: who is nearer to the crystal, and by how much.

    ``difference_A``: mean over molecules of the first's RMSD minus the second's, negative where the first
    is nearer; its 95 % interval is a bootstrap over molecules.
    """
    out = {}
    for key, measure in MEASURES.items():
        gap = np.array([measure(a) - measure(b) for a, b in zip(first, second, strict=True)])
        low, high = interval(gap.tolist())
        out[key] = {
            "molecules": len(gap),
            "difference_A": rounded(gap.mean()),
            "low_A": low,
            "high_A": high,
            f"{names[0]}_nearer_share": rounded((gap < 0).mean()),
            f"{names[1]}_nearer_share": rounded((gap > 0).mean()),
        }
    return out


def against(pairs: Sequence[Judged]) -> dict[str, Any]:
    """:func:`paired` of the model and ETKDG by size; a molecule that either did not draw is left out."""
    out: dict[str, Any] = {}
    both = [(p.model, p.etkdg) for p in pairs if p.model is not None and p.etkdg is not None]
    for name, chosen in SIZES.items():
        members = [(ours, theirs) for ours, theirs in both if chosen(ours.size)]
        if members:
            out[name] = paired([a for a, _ in members], [b for _, b in members])
    return out
