"""What Argo CD shows of our kinds: its own test cases, run as it runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_perennial.admission.schema import normalize
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.names import APPROVED, PERSON, REJECTED, RETRAIN
from tests.gitops.argocd import CONFIG_MAP, KINDS, config_map
from tests.gitops.lua import run
from tests.kubectl import documents
from tests.stage import ROOT

Body = dict[str, Any]

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NO_TIME = "0001-01-01T00:00:00Z"


def read(path: Path) -> Body:
    body: Body = yaml.safe_load(path.read_text())
    return body


def alike(value: Any) -> Any:
    """The value with empty lists as Lua has them: it cannot tell them from empty maps, and Argo CD puts them right."""
    if isinstance(value, dict):
        return {key: alike(inner) for key, inner in value.items()}
    return [alike(inner) for inner in value] or {} if isinstance(value, list) else value


def cases(file: str, tests: str) -> list[Any]:
    cases = []
    for path in sorted(KINDS.rglob(file)):
        for test in read(path)[tests]:
            name = f"{path.relative_to(KINDS).parts[0]} {test.get('action', '')} {Path(test['inputPath']).stem}"
            cases.append(pytest.param(path.parent, test, id=name))
    return cases


@pytest.mark.parametrize(("folder", "test"), cases("health_test.yaml", "tests"))
def test_health(folder: Path, test: Body) -> None:
    health = run((folder / "health.lua").read_text(), read(folder / test["inputPath"]))
    assert health == test["healthStatus"]


@pytest.mark.parametrize(("folder", "test"), cases("action_test.yaml", "discoveryTests"))
def test_which_actions_there_are(folder: Path, test: Body) -> None:
    actions = run((folder / "discovery.lua").read_text(), read(folder / test["inputPath"]))
    assert [{"name": name, **action} for name, action in sorted(actions.items())] == test["result"]


@pytest.mark.parametrize(("folder", "test"), cases("action_test.yaml", "actionTests"))
def test_what_an_action_does(folder: Path, test: Body) -> None:
    changed = run((folder / test["action"] / "action.lua").read_text(), read(folder / test["inputPath"]))
    annotations = changed["metadata"]["annotations"]
    for key, value in annotations.items():
        annotations[key] = MOMENT.sub(NO_TIME, value)
    assert changed == alike(read(folder / test["expectedOutputPath"]))
    assert set(annotations) <= {RETRAIN, APPROVED, REJECTED, PERSON}


def test_every_phase_and_outcome_has_a_health() -> None:
    version, report = ((KINDS / kind / "health.lua").read_text() for kind in ("ModelVersion", "DriftReport"))
    healths = {run(version, {"status": {"phase": phase.value}})["status"] for phase in Phase}
    assert healths == {"Progressing", "Suspended", "Healthy", "Degraded"}
    unknown = [phase for phase in Phase if f"  {phase.value} = " not in version]
    assert not unknown
    degraded = [o for o in Outcome if run(report, {"status": {"outcome": o.value}})["status"] == "Degraded"]
    assert degraded == [Outcome.INVALID]


def test_every_case_has_its_data_and_all_data_are_used() -> None:
    used = {
        (path.parent / test[key]).resolve()
        for path in KINDS.rglob("*_test.yaml")
        for tests in read(path).values()
        for test in tests
        for key in ("inputPath", "expectedOutputPath")
        if key in test
    }
    assert used == {path.resolve() for path in KINDS.rglob("testdata/*.yaml")}


@pytest.mark.parametrize("kind", ["ModelDeployment", "ModelVersion", "DriftReport"])
def test_the_data_have_no_field_that_the_definitions_do_not_know(kind: str) -> None:
    definition = next(iter(documents(ROOT / "manifests" / "crds" / f"{kind.lower()}s.yaml")))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    parts = {part: schema["properties"][part] for part in ("spec", "status")}
    for path in (KINDS / kind).rglob("testdata/*.yaml"):
        sections = {part: value for part, value in read(path).items() if part in parts}
        assert normalize(sections, {"properties": parts})[1] == [], path.name


def test_the_config_map_is_made_of_the_scripts() -> None:
    assert CONFIG_MAP.read_text() == config_map(), "run python -m tests.gitops.argocd"
    data = read(CONFIG_MAP)["data"]
    actions = yaml.safe_load(data["resource.customizations.actions.perennial.dev_ModelVersion"])
    assert [action["name"] for action in actions["definitions"]] == ["approve", "reject"]


def test_no_list_item_of_a_spec_has_a_default() -> None:
    for kind in ("modeldeployments", "driftreports"):
        definition = next(iter(documents(ROOT / "manifests" / "crds" / f"{kind}.yaml")))
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert list(defaults_in_items(schema["properties"]["spec"], "spec")) == []


def defaults_in_items(node: Body, path: str, inside: bool = False) -> Iterator[str]:
    if inside and "default" in node:
        yield path
    for key, child in node.get("properties", {}).items():
        yield from defaults_in_items(child, f"{path}.{key}", inside)
    if "items" in node:
        yield from defaults_in_items(node["items"], f"{path}[]", True)
