"""What things are called."""

from __future__ import annotations

import re

import pytest

from perennial_operator.core import names
from perennial_operator.core.manifests.validate_job import comparison_labels
from tests.builders import NOON, a_deployment, a_version, a_world

LONGEST = "m" * 40
VERSION = names.version_name(LONGEST, 999_999)


@pytest.mark.parametrize(
    "name",
    [LONGEST, VERSION, names.train_job(VERSION), names.validate_job(VERSION), names.check_job(LONGEST, NOON)],
)
def test_names_made_from_the_longest_name_are_still_names(name: str) -> None:
    """63 is what labels and Services may have, and what a Job's name may have so that its pods can carry it."""
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)


def test_labels_are_valid_values() -> None:
    slices = [{"column": "feature1", "metric": "mse", "maxRatio": 2}]
    spec = {"validation": {"against": {"metric": "log_loss", "confidence": 0.9999}, "slices": slices}}
    world = a_world(deployment=a_deployment(spec=spec), versions=(a_version(1),))
    for value in {**names.labels(LONGEST, "serving", VERSION), **comparison_labels(world, a_version(2))}.values():
        assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)


def test_the_name_of_a_check_is_that_of_its_minute() -> None:
    assert names.check_job("bike", NOON) == "bike-check-202611231200"
