"""Why something could not be done, in one sentence that names the mend."""

from __future__ import annotations


class SorryError(Exception):
    """Ends the command with exit code 1; its text is all that a person reads."""


class UsageError(SorryError):
    """The words typed do not fit each other: exit code 2."""


def some(names: object, most: int = 12) -> str:
    """`a, b, c and 4 more`."""
    words = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
