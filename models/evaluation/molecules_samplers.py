"""Samplers and their constants compared on molecules of 2023, which nothing else is reported on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.evaluation.molecules_scores import Row
from models.evaluation.molecules_tables import summary
from models.pipeline import SampleSettings

MOLECULES, SAMPLES = 60, 3


def _plain(settings: SampleSettings, sampler: Any) -> SampleSettings:
    return replace(settings, sampler=sampler, gamma_0=0.0, noise_scale=1.0, step_scale=1.0)


def compared(settings: SampleSettings, published: SampleSettings) -> dict[str, SampleSettings]:
    """The settings that are compared. published: AlphaFold 3's sampler with all its own constants."""
    several = {"samples": settings.samples, "seed": settings.seed}
    return {
        "default": settings,
        "published": replace(published, **several),  # type: ignore[arg-type]
        "published_in_as_many_steps": replace(published, steps=settings.steps, **several),  # type: ignore[arg-type]
        "euler": _plain(settings, "euler"),
        "heun": replace(_plain(settings, "heun"), steps=settings.steps // 2),
    }


def calls(settings: SampleSettings) -> int:
    """Forwards of the denoiser for one sample: Heun's correction doubles all steps but the last."""
    return 2 * settings.steps - 1 if settings.sampler == "heun" else settings.steps


def row(settings: SampleSettings, rows: list[Row], seconds: float) -> dict[str, Any]:
    """One line of the table. seconds: of drawing all molecules."""
    found = summary(rows)
    kept = (
        "posebusters", "stereo", "posebusters_and_stereo", "bond_mae_A", "angle_mae_deg",
        "rmsd_mean_A", f"rmsd_best_of_{SAMPLES}_A", "diversity_A",
    )  # fmt: skip
    return {
        "network_calls": calls(settings),
        **{name: found[name] for name in kept},
        "seconds_per_molecule": round(seconds / max(1, len(rows)), 3),
    }
