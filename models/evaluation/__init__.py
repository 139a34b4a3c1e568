"""Measurements: what the models do, as JSON that cards and pages show."""
