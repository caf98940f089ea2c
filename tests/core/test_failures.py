"""Which failures follow each other, whose cause they are, and which changes of the spec make another model."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.rules.trainings.failures import (
    failed_in_a_row,
    rejected_in_a_row,
    stopped_by_surroundings,
    surroundings_after,
    surroundings_of,
)
from perennial_operator.core.rules.trainings.recipes import is_made_from_spec, recipe, version_recipe
from tests.builders import SPEC, a_deployment, a_version, a_world, merged

HERE = surroundings_of(a_deployment().spec)


def failed(number: int, phase: str = "Failed", spec: Any = (), **status: Any) -> Any:
    return a_version(number, phase, dict(spec), {"reason": "TooFewRows", **status})


def stopped(number: int, here: str = HERE) -> Any:
    return failed(number, reason="StorageUnreachable", surroundings=here)


LIVE, SUPERSEDED = a_version(1), a_version(2, "Superseded", status={"liveSince": None, "reason": "NoNewRows"})
REFUSED = {"refusedFiles": "f" * 64}
OTHER = {"training": {"timeout": "9m"}}


@pytest.mark.parametrize(
    ("versions", "numbers"),
    [
        ((), []),
        ((LIVE,), []),
        ((LIVE, failed(2), failed(3, "Rejected"), failed(4, "RolledBack")), [4, 3, 2]),
        ((failed(1), a_version(2), failed(3)), [3]),
        ((LIVE, failed(2), a_version(3, "Superseded"), failed(4)), [4]),
        ((failed(1), SUPERSEDED, failed(3)), [3, 1]),
        ((failed(1), failed(2, spec=OTHER), failed(3)), [3]),
        ((failed(1), failed(2), a_version(3, "Training")), [2, 1]),
        ((failed(1), failed(2, **REFUSED), failed(3)), [3, 1]),
        ((LIVE, failed(2, **REFUSED), failed(3)), [3, 2]),
    ],
    ids=[
        "none",
        "a success",
        "three phases",
        "since the live version",
        "since one that was live",
        "a superseded one between",
        "since the spec was another",
        "before a candidate",
        "files that wait to be repaired",
        "files that do not, as one is live",
    ],
)
def test_failures_in_a_row_end_at_a_success(versions: Any, numbers: list[int]) -> None:
    assert [each.spec.number for each in failed_in_a_row(a_world(versions=versions))] == numbers


def test_surroundings_and_candidates_are_counted_apart() -> None:
    world = a_world(versions=(stopped(1), failed(2), stopped(3), stopped(4)))
    assert [each.spec.number for each in rejected_in_a_row(world)] == [2]
    assert [each.spec.number for each in stopped_by_surroundings(world)] == [4, 3]
    repaired = a_world(versions=(stopped(1), stopped(2, "before")))
    assert stopped_by_surroundings(repaired) == ()


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ({"serving": {"replicas": 7}}, True),
        ({"serving": {"port": 9000}}, False),
        ({"storage": {"uri": "s3://others"}}, False),
        ({"training": {"timeout": "9m"}}, True),
    ],
)
def test_surroundings_are_what_a_person_repairs(spec: dict[str, Any], same: bool) -> None:
    assert (surroundings_of(a_deployment(spec=spec).spec) == HERE) is same
    assert len(HERE) == 16


@pytest.mark.parametrize(("reason", "recorded"), [("StorageUnreachable", HERE), ("OutOfMemory", None)])
def test_only_failures_of_surroundings_record_them(reason: str, recorded: str | None) -> None:
    assert surroundings_after(reason, a_deployment().spec) == recorded


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"model": {"target": "other"}}, False),
        ({"data": {"holdout": 0.3}}, False),
        ({"data": {"training": {"uri": "s3://others/*.parquet"}}}, False),
        ({"data": {"training": {"secretRef": {"name": "keys"}}}}, True),
        ({"data": {"minRows": 70}}, True),
        ({"data": {"maxMissing": 0.7}}, True),
        ({"training": {"search": {"method": "random", "space": {"alpha": [0.1, 1.0]}}}}, False),
        ({"training": {"calibration": "sigmoid"}}, False),
        ({"training": {"timeout": "9m"}}, True),
        ({"training": {"maxRejections": 7}}, True),
    ],
)
def test_recipe_is_what_determines_a_model(change: dict[str, Any], same: bool) -> None:
    spec, made = a_deployment(spec=change).spec, a_version(1)
    assert (recipe(spec) == version_recipe(made)) is same
    of_spec = {name: merged(dict(SPEC.get(name, {})), change.get(name, {})) for name in ("model", "data", "training")}
    assert version_recipe(a_version(1, spec=of_spec)) == recipe(spec)
    assert is_made_from_spec(a_version(1, spec=of_spec), spec)
    assert is_made_from_spec(made, spec) is (change == {})
