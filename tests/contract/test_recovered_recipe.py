"""A recovered version has the recipe that was recorded, and however wide the model, the result fits."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial_operator.core.rules.job_results import Recovered, StoredVersion, job_result
from perennial_operator.core.rules.recipe_changes import RecipeChange, changed_recipe
from perennial_operator.core.world import Job, JobState
from perennial_trainer.contract.compression import decompress
from perennial_trainer.contract.ledger_results import RecoverResult
from perennial_trainer.contract.ledger_results import StoredVersion as Reported
from perennial_trainer.contract.result import MAX_BYTES, encode_result
from perennial_trainer.ledger.recipe_difference import recipe_changes
from tests.builders import SPEC, merged
from tests.contract.test_tasks_of_the_operator import RESULT, STORED

Json = dict[str, Any]
texts = st.lists(st.sampled_from("abcdefgh"), max_size=8)
values = st.recursive(
    st.integers(0, 3) | st.sampled_from("ab") | texts,
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=10,
)
recipes = st.dictionaries(st.sampled_from(["model", "data", "search"]), values, max_size=3)


@settings(max_examples=150, deadline=None)
@given(recipes, recipes)
def test_changes_make_the_recorded_recipe_of_the_current(current: Json, recorded: Json) -> None:
    changes = msgspec.to_builtins(recipe_changes(current, recorded))
    made = changed_recipe(current, [RecipeChange.model_validate(each) for each in changes])
    assert json.dumps(made, sort_keys=True) == json.dumps(recorded, sort_keys=True)
    assert bool(changes) is (json.dumps(current, sort_keys=True) != json.dumps(recorded, sort_keys=True))


def a_recipe(width: int, **changes: Any) -> Json:
    """A model of so many features with names that nothing compresses."""
    names = [hashlib.sha256(b"%d" % number).hexdigest()[:12] for number in range(width)]
    spec = merged(SPEC, {"model": {"features": {"numeric": names}}})
    training = merged(SPEC["data"]["training"], {"secretRef": {"name": "old"}})
    return merged({"model": spec["model"], "data": {**spec["data"], "training": training}}, changes)


def reported(current: Json, recorded: Json, long: bool) -> Reported:
    status = {**STORED["status"], "parameters": {"a": "b" * 3000 if long else "b"}, "metrics": {"candidate": {"r2": 1}}}
    noise = "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(60)) if long else ""
    changes = recipe_changes(current, recorded)
    return Reported(
        version="bike-v7",
        number=7,
        entry=STORED["entry"],
        trigger={"reason": "Drift", "message": f"psi is high {noise}"},
        recipe=recorded,
        changes=changes,
        status=status,
    )


def recovered(current: Json, recorded: Json, long: bool) -> Recovered:
    """What the operator reads of the trainer's result."""
    versions = [reported(current, recorded, long), reported(current, recorded, long)]
    content = encode_result(
        RecoverResult(message="bike-v7 is in the ledger", number=7, versions=versions, passed_over=[])
    )
    assert len(content) <= MAX_BYTES
    answer = json.loads(decompress(content))
    RESULT.validate(answer)
    result = job_result(Job("j", JobState.SUCCEEDED, answer=answer), Recovered)
    assert isinstance(result, Recovered)
    return result.with_recipes(current)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("width", [1, 20, 150, 999, 5000])
def test_renamed_secret_does_not_hide_a_version_of_any_width(width: int, long: bool) -> None:
    recorded = a_recipe(width)
    current = merged(recorded, {"data": {"training": {"secretRef": {"name": "new"}}}})
    result = recovered(current, recorded, long)
    assert len(result.versions) == 2
    for version in result.versions:
        assert recipe_of(version) == recorded


@settings(max_examples=8, deadline=None)
@given(st.integers(3, 5000), st.data())
def test_few_changed_features_do_not_hide_a_version(width: int, data: st.DataObject) -> None:
    recorded = a_recipe(width)
    names = list(recorded["model"]["features"]["numeric"])
    for place in data.draw(st.lists(st.integers(0, width - 1), max_size=20, unique=True)):
        names[place] = f"renamed_{place}"
    removed = data.draw(st.integers(0, width - 2))
    del names[removed]
    current = merged(recorded, {"model": {"features": {"numeric": names}}})
    (version, _) = recovered(current, recorded, long=True).versions
    assert recipe_of(version) == recorded


def recipe_of(version: StoredVersion) -> Json:
    assert version.recipe
    fields = version.recipe.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    return {"model": fields["model"], "data": fields["data"]}


@pytest.mark.parametrize(
    "change",
    [
        {"path": ["model", "features", "numeric"], "edits": [{"at": 9, "removed": 1}]},
        {"path": ["model", "task"], "edits": []},
        {"path": ["model", "task", "deeper"], "value": 1},
        {"path": ["model", "task"], "value": "divination"},
    ],
)
def test_changes_of_another_recipe_pass_the_version_over(change: Json) -> None:
    stored = StoredVersion.model_validate({**STORED, "changes": [change]})
    result = Recovered(message="found", number=2, versions=[stored], passed_over=[]).with_recipes(a_recipe(2))
    assert (result.versions, result.passed_over) == ([], [STORED["entry"]])
