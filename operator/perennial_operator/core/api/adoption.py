"""An existing model that becomes the first version."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perennial_operator.core.api.cel import matching
from perennial_operator.core.api.values import Uri, Value

Sha256 = Annotated[
    str, *matching("[0-9a-f]{64}", "give the digest as 64 hexadecimal digits, as sha256sum prints it", 64)
]


class AdoptSpec(Value):
    """An existing model that becomes the first version, instead of one that is trained."""

    uri: Uri = Field(
        description="Address of the model's file. It is read with the credentials and volumes of data.training and storage, "
        "and copied to storage."
    )
    sha256: Sha256 = Field(description="SHA-256 of the file, checked before anything is read from it.")
    format: Literal["skops", "lightgbm", "xgboost", "joblib"] = Field(
        description="skops of an estimator or Pipeline; lightgbm or xgboost: what save_model of a booster writes; joblib, "
        "which runs the file's code, only where the operator's administrator allows it."
    )
