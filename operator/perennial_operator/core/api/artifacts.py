"""The stored models of a version: the one that was validated, the one that is fitted again, and what they are of."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.meta import Number
from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.values import Value


class Artifact(Value):
    """The stored model."""

    uri: str = Field(description="Address of the model file.")
    sha256: str = Field(description="SHA-256 of the file, checked before it is loaded.")
    bytes: int = Field(0, description="Size of the file in bytes.")
    metadata_sha256: str | None = Field(
        None,
        description="SHA-256 of metadata.json beside the file, which has the digests of the version's other files. "
        "Not set for versions of a trainer that does not report it.",
    )


class Increase(Value):
    """The feature in which the holdout rows are worst beside the training rows."""

    name: str = Field(description="missing_increase or new_share.")
    feature: Sentence = Field(description="The feature.")
    value: Number = Field(description="The share of the holdout rows, or its increase.")


class Blend(Value):
    """The models that a version is the weighted mean of."""

    models: int = Field(ge=1, description="How many models; 1 if the version is one fit, and no blend.")
    fits: int = Field(
        ge=0,
        description="How many of them its training has fitted; the others are the live version's of that time. 0 if these "
        "were only weighed again.",
    )
    message: Sentence = Field(description="Where the models are from, or why the version is one fit.")


class Refit(Value):
    """The model of the proven recipe that is fitted again, to all rows of the window."""

    serves: bool = Field(
        False, description="Whether artifact is this model; else it is the one that the validation scored."
    )
    message: Sentence = Field(description="What the refit is, why it was not made, or why it does not serve.")
    rows: int | None = Field(None, description="Number of rows that it is fitted to, those of the holdout included.")
    artifact: Artifact | None = Field(None, description="The refitted model.")
    proven: Artifact | None = Field(
        None, description="The model that the validation scored; not set if there is no refit."
    )
    quality: list[Increase] = Field(
        [], max_length=10, description="The holdout rows beside the training rows, as spec.drift.quality judges."
    )
