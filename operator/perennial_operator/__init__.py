"""Closes the loop from drift to a better live version: `python -m perennial_operator`."""

__version__ = "0.1.0"
