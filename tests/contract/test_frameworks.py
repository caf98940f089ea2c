"""The frameworks and file formats of the contract are those that the trainer has, and `custom`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from sklearn.base import BaseEstimator

from perennial_operator.core.api.model import ModelSpec
from perennial_trainer.models.frameworks.registry import DEFAULT_FORMAT, FRAMEWORKS

MODEL: dict[str, Any] = json.loads((Path(__file__).parent / "task.schema.json").read_text(encoding="utf-8"))["$defs"][
    "model"
]["properties"]


def test_schema_and_spec_allow_every_framework_and_custom() -> None:
    assert MODEL["framework"]["enum"] == [*FRAMEWORKS, "custom"]
    assert list(get_args(ModelSpec.model_fields["framework"].annotation)) == [*FRAMEWORKS, "custom"]


def test_schema_allows_the_formats_of_scikit_learn() -> None:
    assert MODEL["format"]["enum"] == list(FRAMEWORKS["sklearn"].FILE_FORMATS)


def test_each_file_format_belongs_to_one_framework() -> None:
    formats = [each for framework in FRAMEWORKS.values() for each in framework.FILE_FORMATS]
    assert len(formats) == len(set(formats))
    assert DEFAULT_FORMAT in formats


def test_scikit_learn_still_has_its_private_check_of_parameters() -> None:
    assert callable(BaseEstimator._validate_params), "models/frameworks/sklearn.py: check_values needs another way"
