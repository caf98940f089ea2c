"""What is kept of a model, and what the last upkeep of its folder in storage did."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.values import Instant, Value


class History(Value):
    """How many old objects are kept."""

    versions: int = Field(10, ge=1, le=1000, description="Number of ended versions to keep besides the live one.")
    reports: int = Field(50, ge=1, le=10000, description="Number of handled drift reports to keep.")


class UpkeepFacts(Value):
    """The daily Job that deletes what is too old in the model's folder in storage."""

    last_attempt_time: Instant = Field(description="When the last Job that has ended was started.")
    last_time: Instant | None = Field(None, description="When the last one that succeeded was started.")
    failures: int = Field(0, ge=0, description="How many have failed since then.")
    reason: str | None = Field(None, description="Why the last one failed, as one CamelCase word.")
    message: Sentence = Field(description="What the last one has deleted and freed, or why it failed, as a sentence.")
