"""`backtest --suggest`: which policies are tried, which one wins, and the manifest that is printed."""

from __future__ import annotations

import difflib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import yaml

from kubectl_perennial.simulation.backtest import Backtest, Result
from kubectl_perennial.simulation.history import columns_of, cut, read_history
from kubectl_perennial.simulation.manifest import Manifest
from kubectl_perennial.simulation.suggesting.candidates import candidates_of, nearest_schedule
from kubectl_perennial.simulation.suggesting.choice import choose
from kubectl_perennial.simulation.suggesting.manifest_text import changes, rewritten
from kubectl_perennial.views.suggestion import suggestion_fields
from tests.demo.story import MANIFEST
from tests.stage import ROOT

TEXT = """\
# A model of the tides.
kind: ModelDeployment
spec:
  model: {target: y}   # metres
  drift:
    mode: Train
    thresholds:
      # Worse than it was.
      - {metric: mse, max: 5}   # the loss
      # Other winds.
      - metric: psi
        max: 0.2

  storage: {uri: "s3://tides"}
---
kind: Secret
"""


def edited(text: str, **sections: Any) -> list[str]:
    """The changed lines, if these sections of spec change; None removes one."""
    body = next(yaml.safe_load_all(text))
    spec = {name: value for name, value in {**body["spec"], **sections}.items() if value is not None}
    lines = difflib.ndiff(text.splitlines(), rewritten(text, {**body, "spec": spec}).splitlines())
    return [line for line in lines if line[0] in "+-"]


MSE, PSI = {"metric": "mse", "max": 5}, {"metric": "psi", "max": 0.2}


@pytest.mark.parametrize(
    ("sections", "lines"),
    [
        ({}, []),
        ({"drift": {"mode": "Report", "thresholds": [MSE, PSI]}}, ["-     mode: Train", "+     mode: Report"]),
        (
            {"drift": {"mode": "Train", "thresholds": [MSE]}},
            ["-       # Other winds.", "-       - metric: psi", "-         max: 0.2"],
        ),
        (
            {"drift": {"mode": "Train", "thresholds": [{**MSE, "max": 6}, {**PSI, "max": 0.1}]}},
            [
                "-       - {metric: mse, max: 5}   # the loss",
                "+       - {metric: mse, max: 6}   # the loss",
                "-         max: 0.2",
                "+         max: 0.1",
            ],
        ),
        (
            {"drift": {"mode": "Train", "thresholds": [MSE, PSI], "consecutive": 2}},
            ["+     consecutive: 2"],
        ),
        ({"training": {"schedule": "0 0 * * 0"}}, ["+   training: {schedule: 0 0 * * 0}"]),
        ({"drift": None, "training": {"growth": 0}}, None),
    ],
)
def test_text_keeps_all_lines_that_do_not_change(sections: dict[str, Any], lines: list[str] | None) -> None:
    seen = edited(TEXT, **sections)
    assert seen == lines if lines is not None else not [line for line in seen if "storage" in line or "Secret" in line]


def test_text_that_cannot_be_edited_is_written_again() -> None:
    text = "kind: ModelDeployment\nspec: &a {drift: {mode: Train}}\nother: *a\n"
    wanted = {"kind": "ModelDeployment", "spec": {"drift": {}}, "other": {"drift": {"mode": "Train"}}}
    assert yaml.safe_load(rewritten(text, wanted)) == wanted


def test_changes_are_the_innermost_fields() -> None:
    before = {"drift": {"thresholds": [MSE, PSI]}, "data": {"a": 1}}
    after = {"drift": {"thresholds": [{**MSE, "max": 6}]}, "data": {"a": 1}, "training": {"growth": 0}}
    assert [change[0] for change in changes(before, after)] == [
        "drift.thresholds[0].max",
        "drift.thresholds[1]",
        "training",
    ]


def a_result(losses: list[float], trainings: int, alarms: int = 0) -> Result:
    """A policy on ten rows a batch; always-retraining has a loss of 1, never one of 2."""
    array = np.asarray(losses)
    played = SimpleNamespace(losses=array, rows=np.full(len(array), 10.0), loss=array.mean(), trainings=trainings)
    shuffled = SimpleNamespace(alarms=(None,) * alarms)
    return cast("Result", SimpleNamespace(played=played, shuffled=shuffled, first_loss=2.0, always_loss=1.0))


ALMOST, NOISY, WORSE = [1.015, 1.015], [0.5, 1.7], [1.05, 1.05]


@pytest.mark.parametrize(
    ("results", "winner"),
    [
        ([a_result([1, 1], 9), a_result(ALMOST, 8), a_result(WORSE, 2)], 1),
        ([a_result([1, 1], 9), a_result(NOISY, 3), a_result(WORSE, 2)], 1),
        ([a_result([1, 1], 9), a_result(WORSE, 2)], 0),
        ([a_result([1, 1], 9, alarms=1), a_result(WORSE, 2)], 1),
        ([a_result([1, 1], 9, alarms=1), a_result(WORSE, 2, alarms=1)], 0),
        ([a_result(ALMOST, 4), a_result([1, 1], 4)], 1),
    ],
)
def test_fewest_trainings_win_among_the_best(results: list[Result], winner: int) -> None:
    assert choose(results).winner == winner


@pytest.mark.parametrize(("seconds", "named"), [(7.9, True), (8.1, False)])
def test_suggestion_names_a_policy_that_needs_less_cpu(seconds: float, named: bool) -> None:
    manifest = Manifest(next(yaml.safe_load_all(TEXT)), text=TEXT)
    policies = [
        {"title": title, "trainings": count, "loss": 1.0, "recovery": 1.0, "alarmsShuffled": 0, "cpuSeconds": cpu}
        for title, count, cpu in (("a", 3, {"train": 6.0, "check": 4.0}), ("b", 4, {"train": seconds}))
    ]
    backtest = cast("Backtest", SimpleNamespace(results=[a_result([1, 1], 3), a_result([1, 1], 4)]))
    why = suggestion_fields(backtest, {"policies": policies}, [manifest, manifest])["why"]
    assert why[0].startswith("a has the fewest trainings") and "3 trainings, 10s of CPU, a loss of 1" in why[0]
    assert ("Of these, b needs the least CPU: 4 trainings, 7.9s of CPU, a loss of 1, 100 % recovered." in why) == named


@pytest.mark.parametrize(
    ("hours", "schedule"),
    [(1, "0 * * * *"), (24, "0 0 * * *"), (24 * 8, "0 0 * * 0"), (24 * 35, "0 0 1 * *"), (24 * 500, "0 0 1 */3 *")],
)
def test_schedule_is_the_nearest_one(hours: int, schedule: str) -> None:
    assert nearest_schedule(pd.Timedelta(hours=hours).to_pytimedelta()) == schedule


def test_candidates_differ_from_each_other() -> None:
    manifest = Manifest(yaml.safe_load(MANIFEST.read_text()))
    history = read_history([f"{MANIFEST.parent}/data/2011-01.parquet"], columns_of(manifest.spec))
    policies = candidates_of(manifest, cut(history, 100), 100)
    assert [policy.label for policy in policies][:3] == ["as it is", "by its loss", "sensitive"]
    assert policies[0].body == manifest.body
    bodies = [str(policy.body) for policy in policies]
    assert len(set(bodies)) == len(bodies) == 9


def test_manifest_without_drift_gets_a_check_of_its_rows(tmp_path: Path) -> None:
    text = (ROOT / "manifests/samples/02-classification.yaml").read_text()
    manifest = Manifest(next(yaml.safe_load_all(text)), text=text)
    rows = pd.DataFrame({name: [0.5] * 60 for name in manifest.spec["model"]["features"]["numeric"]} | {"species": "a"})
    rows.to_parquet(tmp_path / "rows.parquet")
    timeline = cut(read_history([str(tmp_path / "rows.parquet")], columns_of(manifest.spec)), 20)
    by_loss = candidates_of(manifest, timeline, 20)[1].spec
    assert by_loss["drift"]["check"]["data"] == manifest.spec["data"]["training"]
    assert by_loss["drift"]["thresholds"] == [{"metric": "log_loss", "maxIncrease": 0.05, "sigmas": 3}]
    assert "schedule" not in by_loss["training"]
