"""Builds the training sets (git-ignored, under ``cache/``) and reads them back for training."""
