"""The drop of dye: 2-D particles, a known distribution, and therefore an exact denoiser."""
