"""A version of the ledger has the current recipe with the reported changes, or none."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from perennial_operator.core.rules.job_results import Recovered
from perennial_operator.core.rules.recipe_changes import RecipeChange, changed_recipe
from tests.builders import SPEC, merged
from tests.contract.test_tasks_of_the_operator import RECOVERED, STORED

CURRENT = {"model": {"features": {"numeric": ["a", "b", "c"]}, "seed": 1}, "data": {"window": "auto"}}


def edit(at: int, removed: int, *added: str) -> dict[str, Any]:
    return {"at": at, "removed": removed, "added": added}


@pytest.mark.parametrize(
    ("change", "recipe"),
    [
        ({"path": ["model", "seed"], "value": 2}, {"model": {"seed": 2}}),
        ({"path": ["model", "seed"]}, {"model": {"seed": None}}),
        ({"path": ["model", "weights"]}, {}),
        ({"path": ["search"], "value": {"trials": 3}}, {"search": {"trials": 3}}),
        (
            {"path": ["model", "features", "numeric"], "edits": [edit(2, 1, "x"), edit(0, 1)]},
            {"model": {"features": {"numeric": ["b", "x"]}}},
        ),
        (
            {"path": ["model", "features", "numeric"], "edits": [edit(3, 0, "d", "e")]},
            {"model": {"features": {"numeric": ["a", "b", "c", "d", "e"]}}},
        ),
        ({"path": ["model", "features", "numeric"], "edits": []}, {}),
    ],
)
def test_a_change_sets_removes_or_edits_one_field(change: dict[str, Any], recipe: dict[str, Any]) -> None:
    before = copy.deepcopy(CURRENT)
    assert changed_recipe(CURRENT, [RecipeChange.model_validate(change)]) == merged(CURRENT, recipe)
    assert before == CURRENT, "the current recipe is left as it is"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": ["data", "limits", "rows"], "value": 1}, "the recipe has no data.limits"),
        ({"path": ["data", "window", "rows", "most"], "value": 1}, "the recipe has no data.window.rows"),
        ({"path": ["data", "window"], "edits": [edit(0, 0)]}, "data.window is not a list"),
        (
            {"path": ["model", "features", "numeric"], "edits": [edit(2, 2)]},
            "model.features.numeric has only 3 items",
        ),
    ],
)
def test_change_of_another_recipe_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        changed_recipe(CURRENT, [RecipeChange.model_validate(change)])


def recovered(**version: Any) -> Recovered:
    result = Recovered.model_validate(RECOVERED | {"versions": [STORED | version]})
    return result.with_recipes({"model": SPEC["model"], "data": SPEC["data"]})


def test_recovered_version_gets_its_recipe_from_the_current_one() -> None:
    result = recovered(changes=[{"path": ["data", "window"], "value": "90d"}])
    (version,) = result.versions
    assert version.recipe
    assert version.recipe.data.window == "90d"
    assert version.recipe.data.training.uri == SPEC["data"]["training"]["uri"]


@pytest.mark.parametrize("changes", [None, []])
def test_version_without_changes_has_no_recipe_of_its_own(changes: list[Any] | None) -> None:
    result = recovered(changes=changes)
    assert result.versions[0].recipe is None


def test_version_without_a_usable_recipe_is_passed_over() -> None:
    result = recovered(changes=[{"path": ["data", "limits", "rows"], "value": 1}])
    assert (result.versions, result.passed_over) == ([], [STORED["entry"]])
    assert "it has no usable recipe: the recipe has no data.limits" in result.message
