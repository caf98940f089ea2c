"""A check measures how much less error a model of newer rows has on the recent ones: the regret."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.trainer.tasks import Frame, Json, Trainer, a_check, a_training, changed, written

NUMBERS = ["x", "z"]


def rows(start: int, count: int, slope: float, kind: str = "regression") -> Frame:
    """An hourly stream whose target depends on x by the slope."""
    generator = np.random.default_rng([start, count])
    x, z = generator.normal(size=(2, count))
    at = pd.date_range("2026-01-01", periods=start + count, freq="h", tz="UTC")[start:]
    target = slope * x + z + generator.normal(scale=0.5, size=count)
    return pd.DataFrame({"x": x, "z": z, "target": target if kind == "regression" else target > 0, "at": at})


def without_labels(table: Frame, count: int) -> Frame:
    """The newest so many rows have no target yet."""
    return table.assign(target=table["target"].astype(object).where(np.arange(len(table)) < len(table) - count))


def checked(
    trainer: Trainer,
    folder: Path,
    *stretches: tuple[int, float],
    kind: str = "regression",
    late: int = 0,
    **changes: Any,
) -> Json:
    """The result of a check of the last 100 rows, `late` of them without a target.

    Each stretch is a number of rows and a slope. The first is trained on.
    """
    parts, start = [], 0
    for count, slope in stretches:
        parts.append(rows(start, count, slope, kind))
        start += count
    estimator = {"regression": "LinearRegression", "classification": "LogisticRegression"}[kind]
    model = {
        "task": kind,
        "estimator": f"sklearn.linear_model.{estimator}",
        "features": {"numeric": NUMBERS, "categorical": []},
    }
    first = written(parts[0], folder / "first" / "a.parquet")
    training = a_training(first, (folder / "v1").as_uri(), data__timeColumn="at")
    training["model"] |= model
    trained = trainer.done(training)
    history = written(without_labels(pd.concat(parts), late), folder / "all" / "b.parquet")
    challenger = {"data": training["data"] | {"uri": history}, "parameters": trained["parameters"], "checks": 5}
    task = a_check(training, trained, history, data__timeColumn="at", data__window=100, challenger=challenger)
    return trainer.done(changed(task, **changes))


def regret(result: Json) -> Json | None:
    return next((each for each in result["metrics"] if each["name"] == "regret"), None)


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize(
    ("stretches", "low", "high"),
    [
        pytest.param([(400, 1.0), (600, 1.0)], -0.1, 0.1, id="nothing changes"),
        pytest.param([(400, 1.0), (600, -1.0)], 0.4, 1.0, id="the newer rows have another relation"),
        pytest.param([(900, 1.0), (100, -1.0)], -0.1, 0.1, id="no older row has the relation of the recent ones"),
    ],
)
def test_regret_is_what_a_model_of_newer_rows_saves(
    trainer: Trainer, tmp_path: Path, kind: str, stretches: list[tuple[int, float]], low: float, high: float
) -> None:
    measured = regret(checked(trainer, tmp_path, *stretches, kind=kind))
    assert measured
    assert low < measured["value"] < high
    assert 0 < measured["standardError"] < 0.2


@pytest.mark.parametrize(
    ("stretches", "changes", "reason"),
    [
        ([(400, 1.0), (100, 1.0)], {"data__window": "all"}, "no row with a target is older"),
        ([(40, 1.0), (100, 1.0)], {"challenger__data__minRows": 200}, "40 rows are fewer than data.minRows 200"),
        ([(400, 1.0), (100, 1.0)], {"data__window": 20}, "20 recent rows with a target and a time are fewer than 30"),
        ([(400, 1.0), (100, 1.0)], {"challenger__data__uri": "file:///nowhere/at-all.parquet"}, "nowhere"),
        (
            [(400, 1.0), (100, 1.0)],
            {"challenger__data__uri": "https://127.0.0.1:9/a.csv"},
            "no challenger",
        ),
        ([(400, 1.0), (100, 1.0)], {"challenger__data__timeColumn": "when"}, "when"),
        ([(400, 1.0), (100, 1.0)], {"challenger__parameters": {"fit_intercept": "perhaps"}}, "fit_intercept"),
        ([(400, 1.0), (100, 1.0)], {"data__window": "all", "thresholds": [{"metric": "regret", "max": 0.5}]}, "older"),
    ],
)
def test_a_check_without_a_challenger_says_why(
    trainer: Trainer, tmp_path: Path, stretches: list[tuple[int, float]], changes: Json, reason: str
) -> None:
    result = checked(trainer, tmp_path, *stretches, **changes)
    assert regret(result) is None
    assert [each["metric"] for each in result["notMeasured"]] == ["regret"]
    assert reason in result["notMeasured"][0]["reason"]


@pytest.mark.parametrize(
    ("stretches", "late", "scored"),
    [
        pytest.param([(400, 1.0), (600, -1.0)], 100, 100, id="as many as the window has"),
        pytest.param([(400, 1.0), (600, -1.0)], 80, 100, id="few recent rows have a target"),
        pytest.param([(400, 1.0), (140, -1.0)], 100, 40, id="no row that the version knows"),
        pytest.param([(400, 1.0), (120, -1.0)], 100, 0, id="too few are new to the version"),
        pytest.param([(400, 1.0), (600, -1.0)], 60, 0, id="enough recent rows have a target"),
    ],
)
def test_where_labels_come_late_earlier_rows_are_scored(
    trainer: Trainer, tmp_path: Path, stretches: list[tuple[int, float]], late: int, scored: int
) -> None:
    result = checked(trainer, tmp_path, *stretches, late=late, thresholds=[{"metric": "mse"}])
    measured = {each["name"]: each["value"] for each in result["metrics"]}
    named = f"100 rows, scored by {scored} earlier ones whose targets have come since"
    assert result["message"].startswith(named if scored else f"100 rows, {100 - late} with a target")
    assert ("mse" in measured) == (scored > 0 or late < 100)
    if scored == 100:
        assert measured["mse"] > 3 and measured["regret"] > 0.4
