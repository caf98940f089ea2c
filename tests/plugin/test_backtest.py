"""`backtest`: a manifest is played over a small history whose target changes at one time."""

from __future__ import annotations

import copy
import io
import itertools
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from kubectl_perennial.__main__ import main
from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation import reference, tasks
from kubectl_perennial.simulation.backtest import Backtest, Plan, run_backtest
from kubectl_perennial.simulation.history import columns_of, cut, read_history
from kubectl_perennial.simulation.manifest import Manifest, checked, read_manifest, with_settings
from kubectl_perennial.simulation.progress import Bar
from kubectl_perennial.views.backtest import backtest_fields
from perennial_trainer.progress import CLEAR_LINE
from tests.plugin.golden import compare

BATCH, BATCHES, CHANGE, FIRST = 50, 10, 6, 4
MANIFEST: dict[str, Any] = {
    "apiVersion": "perennial.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "tide"},
    "spec": {
        "model": {
            "estimator": "sklearn.linear_model.LinearRegression",
            "features": {"numeric": ["x", "z"]},
            "target": "y",
        },
        "data": {"training": {"uri": "s3://tides/*.parquet"}, "timeColumn": "at", "minRows": 60},
        "drift": {
            "check": {"schedule": "0 0 * * *", "data": {"uri": "s3://tides/*.parquet"}, "window": BATCH},
            "thresholds": [{"metric": "mse", "maxIncrease": 0.05, "sigmas": 3}],
            "minSamples": 30,
        },
        "storage": {"uri": "s3://models"},
    },
}


def a_stream() -> pd.DataFrame:
    """A batch a day; from batch 7 on the target depends on x in another way."""
    generator, count = np.random.default_rng(5), BATCH * BATCHES
    x, z = generator.normal(size=(2, count))
    slope = np.where(np.arange(count) < BATCH * CHANGE, 3.0, -3.0)
    at = pd.Timestamp("2026-03-01 12:00") + pd.to_timedelta((np.arange(count) + 0.5) / BATCH, unit="D")
    return pd.DataFrame({"x": x, "z": z, "y": slope * x + z + generator.normal(size=count) * 0.3, "at": at})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows, the manifest and the cache of all tests."""
    folder = tmp_path_factory.mktemp("backtest")
    a_stream().to_parquet(folder / "rows.parquet")
    (folder / "tide.yaml").write_text(yaml.safe_dump(MANIFEST))
    return folder


def played(folder: Path, cache: str = "cache", **plan: Any) -> Backtest:
    manifest = read_manifest(str(folder / "tide.yaml"))
    history = read_history([str(folder / "rows.parquet")], columns_of(manifest.spec))
    given = {"every": BATCH, "first": FIRST, "shuffled": False, "folder": folder / cache} | plan
    return run_backtest([manifest], history, Plan(**given))


def without_cpu(backtest: Backtest) -> dict[str, Any]:
    fields = backtest_fields(backtest)
    for policy in fields["policies"]:
        del policy["cpuSeconds"], policy["alwaysCpuSeconds"]
    return fields


def command(folder: Path, *words: str) -> list[str]:
    rows, cache = str(folder / "rows.parquet"), str(folder / "cache")
    return ["backtest", str(folder / "tide.yaml"), "--data", rows, "--cache", cache, "--first", str(FIRST), *words]


def exit_code(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["kubectl-perennial", *words])
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")
    return main()


def test_change_is_detected_and_its_cost_is_shown(folder: Path) -> None:
    (result,) = played(folder).results
    assert result.played.spans[0].version == "tide-v1" and result.played.trainings >= 1
    assert {event.batch for event in result.played.alarms} >= {CHANGE}
    assert result.delays[0] in (0, 1)
    gain = result.first_loss - result.always_loss
    assert result.recovery == (result.first_loss - result.played.loss) / gain
    assert result.reference.hindsight() <= result.always_loss < result.first_loss


def test_same_seed_gives_the_same_answer(folder: Path) -> None:
    assert without_cpu(played(folder)) == without_cpu(played(folder, "another"))


def test_shuffled_rows_raise_no_alarm(folder: Path) -> None:
    (result,) = played(folder, shuffled=True, seed=1).results
    assert result.shuffled is not None and result.shuffled.alarms == ()


def test_late_labels_delay_the_alarm(folder: Path) -> None:
    (result,) = played(folder, labels_late=2).results
    assert min(event.batch for event in result.played.alarms) == CHANGE + 2
    assert result.played.promotions >= 1


def test_labels_are_known_when_they_are_old_enough(folder: Path) -> None:
    history = read_history([str(folder / "rows.parquet")], columns_of(MANIFEST["spec"]))
    two_batches = cut(history, BATCH, 2)
    assert [two_batches.labelled(number) for number in range(4)] == [0, 0, BATCH, 2 * BATCH]
    half_a_day = cut(history, BATCH, pd.Timedelta("12h").to_pytimedelta())
    assert half_a_day.labelled(1) == BATCH + BATCH // 2


def test_batches_of_time_begin_at_midnight(folder: Path) -> None:
    history = read_history([str(folder / "rows.parquet")], columns_of(MANIFEST["spec"]))
    batches = cut(history, pd.Timedelta("2D").to_pytimedelta()).batches
    assert [f"{batch.end:%m-%d %H}" for batch in batches][:2] == ["03-03 00", "03-05 00"]
    assert [batch.rows for batch in batches][:2] == [BATCH * 3 // 2, BATCH * 2]


def test_table_has_at_most_80_columns(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(folder, "--every", str(BATCH), "--no-shuffle", "--set", "drift.thresholds[0].maxIncrease=5")
    assert exit_code(monkeypatch, words) == 0
    shown = capsys.readouterr()
    compare("backtest", re.sub(r" +[\d.]+s$", " SECONDS", shown.out, flags=re.MULTILINE))
    assert shown.err == ""


@pytest.mark.parametrize("title", ["tide", "tide also by schedule", "tide " + "drift.cooldown=1d " * 9])
def test_progress_is_one_line_of_the_terminal(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    with Bar(out) as bar:
        bar.show(title, "batch 12 of 26")
    line = out.getvalue().split(CLEAR_LINE)[1]
    assert "batch 12 of 26" in line or len(title) > 80
    assert 0 < len(line) < 80


def test_page_and_fields_have_every_decision(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = folder / "page.html"
    words = command(folder, "--every", str(BATCH), "--no-shuffle", "-o", "json", "--html", str(page))
    monkeypatch.chdir(folder)
    words[words.index(str(folder / "cache"))] = "cache"  # of the working directory
    assert exit_code(monkeypatch, words) == 0
    fields = json.loads(capsys.readouterr().out)
    (policy,) = fields["policies"]
    states = [event["state"] for event in policy["timeline"]]
    text = page.read_text()
    assert text.count('<path class="good"') == states.count("Live") == policy["promotions"] + 1
    assert "prefers-color-scheme: dark" in text and "<script" not in text
    assert all(event["message"] for event in policy["timeline"])


def test_suggestion_is_a_manifest_and_a_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_stream().head(BATCH * (FIRST + 2)).to_parquet(folder / "few.parquet")
    page = folder / "trade.html"
    words = command(folder, "--every", str(BATCH), "--no-shuffle", "--suggest", "--html", str(page))
    words[words.index(str(folder / "rows.parquet"))] = str(folder / "few.parquet")
    words[words.index(str(folder / "cache"))] = str(folder / "suggestions")
    seconds = itertools.count()
    for module in (tasks, reference):  # a second for each task, and for each fit of always
        monkeypatch.setattr(module, "time", SimpleNamespace(process_time=lambda: next(seconds)))
    assert exit_code(monkeypatch, words) == 0
    shown = capsys.readouterr()
    compare("backtest-suggest", shown.err, FOLDER=folder)
    suggested = yaml.safe_load(shown.out)
    changed = {name for name in suggested["spec"] if suggested["spec"][name] != MANIFEST["spec"].get(name)}
    assert changed <= {"drift", "training"} and {**suggested, "spec": MANIFEST["spec"]} == MANIFEST
    policies = re.findall(r"^\d: ", shown.err, re.MULTILINE)
    assert page.read_text().count("<circle") == len(policies) + len(("never", "always"))


LOCAL_HOUR = {"name": "hour", "calendar": {"column": "at", "part": "hour", "timeZone": "Berlin"}}


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"drift": {"thresholds": [{"metric": "mse", "maxIncrese": 0.1}]}}, ["maxIncrese: there is no such field"]),
        (
            {"data": {"training": {}, "holdout": 3}, "modle": {}},
            ["3 findings", "spec.modle: there is no", "holdout", "give exactly one of uri, persistentVolumeClaim, sql"],
        ),
        (
            {
                "model": {**MANIFEST["spec"]["model"], "framework": "custom"},
                "training": {"pod": {"image": "trainer"}},
            },
            ["which a backtest cannot run"],
        ),
        (
            {"model": {**MANIFEST["spec"]["model"], "features": {"numeric": ["level"], "derived": [LOCAL_HOUR]}}},
            ["tide.yaml: spec.model.features.derived[0].calendar.timeZone: 'Berlin' is not in the time zone database"],
        ),
        (
            {"pin": "other-v3"},
            ["tide.yaml: spec.pin: Invalid value: other-v3 is not a version of this ModelDeployment; give one such as"],
        ),
    ],
)
def test_bad_manifest_is_refused_with_all_findings(changes: dict[str, Any], fragments: list[str]) -> None:
    body = copy.deepcopy(MANIFEST)
    body["spec"] |= changes
    with pytest.raises(CommandError) as refusal:
        checked(Manifest(body), "tide.yaml")
    assert [each for each in fragments if each not in str(refusal.value)] == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("drift.cooldown", "has no value"),
        ("drift.thresholds[3].max=1", "there is no 3 in the manifest"),
        ("drift.cooldown=often", "give a duration"),
    ],
)
def test_bad_setting_is_refused(setting: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        with_settings(Manifest(MANIFEST), [setting])


@pytest.mark.parametrize(
    ("frame", "words", "message"),
    [
        (a_stream().drop(columns="z"), ["--every", "50"], "column z is missing"),
        (a_stream().head(0), ["--every", "50"], "has no row"),
        (a_stream().head(60), ["--every", "50"], "60 rows make 1 batches, and a backtest needs at least 2"),
        (a_stream(), [], "give --every"),
        (a_stream(), ["--every", "soon"], "--every soon: give a number, or a duration"),
    ],
)
def test_bad_rows_are_refused_in_one_sentence(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    frame: pd.DataFrame,
    words: list[str],
    message: str,
) -> None:
    frame.to_parquet(tmp_path / "rows.parquet")
    given = ["backtest", str(folder / "tide.yaml"), "--data", str(tmp_path / "rows.parquet"), *words]
    assert exit_code(monkeypatch, given) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_rows_without_time_keep_the_order_of_files(folder: Path) -> None:
    spec = {**MANIFEST["spec"], "data": {"training": {"uri": "s3://tides/a.csv"}}}
    history = read_history([str(folder / "rows.parquet")], columns_of(spec))
    assert "in the order of the files" in history.notes[-1]
    assert [f"{batch.end:%m-%d}" for batch in cut(history, BATCH).batches][:2] == ["01-02", "01-03"]


def test_without_the_extra_the_command_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kubectl_perennial.simulation.backtest", None)
    assert exit_code(monkeypatch, command(folder, "--every", "50")) == 1
    assert "pip install 'perennial[backtest]'" in capsys.readouterr().err


def test_first_version_that_never_serves_is_an_error(folder: Path, tmp_path: Path) -> None:
    manifest = with_settings(
        read_manifest(str(folder / "tide.yaml")), ["validation.thresholds=[{metric: mse, max: 0}]"]
    )
    history = read_history([str(folder / "rows.parquet")], columns_of(manifest.spec))
    plan = Plan(every=BATCH, first=FIRST, shuffled=False, folder=tmp_path)
    with pytest.raises(CommandError, match=r"no version went live; tide-v\d+ is Rejected \(ThresholdNotMet\): mse is"):
        run_backtest([manifest], history, plan)


def test_policies_may_differ_in_features_but_not_in_target() -> None:
    other = copy.deepcopy(MANIFEST["spec"])
    other["model"]["features"] = {"numeric": ["x"], "categorical": ["place"]}
    assert columns_of(MANIFEST["spec"], other).features.names == ("x", "z", "place")
    other["model"]["target"] = "height"
    with pytest.raises(CommandError, match="backtest each by itself"):
        columns_of(MANIFEST["spec"], other)
