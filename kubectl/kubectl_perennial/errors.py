"""Errors of a command: one sentence that names the fix."""

from __future__ import annotations


class CommandError(Exception):
    """Ends the command with exit code 1; only its text is printed."""


class UsageError(CommandError):
    """The arguments do not fit each other: exit code 2."""


def some(names: object, most: int = 12) -> str:
    """`a, b, c and 4 more`."""
    texts = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")
