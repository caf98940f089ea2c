"""Captured rows as a source: which of them count, and what became of them."""
