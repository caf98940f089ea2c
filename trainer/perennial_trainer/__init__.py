"""Trains, validates, checks and serves one model, as one task says: `python -m perennial_trainer`."""

__version__ = "0.1.0"
