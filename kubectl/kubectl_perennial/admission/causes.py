"""One reason why an API server refuses an object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """`field` is a path such as `spec.holdout`, `reason` such as `FieldValueInvalid`."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"
