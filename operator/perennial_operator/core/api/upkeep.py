"""What is kept of a model, and what the last upkeep of its folder in storage did."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.values import Instant, Value


class History(Value):
    """How many old objects and files are kept."""

    model_config = rules(
        rule(
            "!has(self.artifacts) || self.artifacts <= self.versions",
            "the files of a version are deleted while its object is there; give at most history.versions",
            field_path=".artifacts",
        )
    )
    versions: int = Field(10, ge=1, le=1000, description="Number of ended versions to keep besides the live one.")
    artifacts: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Of how many of the newest ended versions the files in storage are kept; by default all are. A daily Job "
        "deletes the others, and such a version cannot serve again. Files stay of a version that serves, is pinned, is "
        "watched, is a predecessor of one that is, or served before the live one.",
    )
    reports: int = Field(50, ge=1, le=10000, description="Number of handled drift reports to keep.")


class UpkeepFacts(Value):
    """The daily Job that deletes what is too old in the model's folder in storage."""

    last_attempt_time: Instant = Field(description="When the last Job that has ended was started.")
    last_time: Instant | None = Field(None, description="When the last one that succeeded was started.")
    failures: int = Field(0, ge=0, description="How many have failed since then.")
    reason: str | None = Field(None, description="Why the last one failed, as one CamelCase word.")
    message: Sentence = Field(description="What the last one has deleted and freed, or why it failed, as a sentence.")
