"""A check of a version against the one that it replaces, by the captured rows that it answered."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.captured.keys import SECRET
from tests.trainer.captured import KEY_SECRET, NOW, capture, captured
from tests.trainer.tasks import Frame, Json, Trainer, a_training, a_version, changed, written

V1, V2 = "progression-v1", "progression-v2"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY_SECRET.decode())


def rides(count: int, seed: int, slope: float = 1.0, start: str = "2026-01-30T10:00Z", of_key: int = 2) -> Frame:
    """Rows whose target depends on x by the slope."""
    x, z, noise = np.random.default_rng(seed).normal(size=(3, count))
    asked = pd.date_range(start, periods=count, freq="s", tz="UTC" if "Z" not in start else None)
    keys = [f"{seed}-{number // of_key}" for number in range(count)]
    return pd.DataFrame({"x": x, "z": z, "target": slope * x + z + 0.5 * noise, "id": keys, "asked": asked})


class Two(NamedTuple):
    """The task of a check of version 2 against version 1, and what was captured of both."""

    task: Json
    rows: Frame
    """Those that version 2 answered and that have a label that counts."""


def two_versions(
    trainer: Trainer,
    folder: Path,
    learned: float = 1.0,
    kind: str = "regression",
    known: tuple[str, ...] = ("x", "z"),
    target: str = "target",
    of_key: int = 2,
    newer: str | None = None,
    **changes: Any,
) -> Two:
    """Version 1 has these features, this target, and has learned the slope of the requests, version 2 another slope.

    The estimator of version 2 is `newer`, if that is given.
    """
    model = {
        "estimator": "sklearn.linear_model.LinearRegression",
        "features": {"numeric": ["x", "z"], "categorical": []},
    }
    if kind == "classification":
        model |= {"estimator": "sklearn.linear_model.LogisticRegression", "task": kind}
    trained = {}
    for version, slope, seed in ((V1, 1.0, 1), (V2, learned, 2)):
        table = rides(400, seed, slope).drop(columns=["id", "asked"]).assign(w=0.0)
        table = table.assign(target=table.target > 0) if kind == "classification" else table
        table = table.assign(other=table.target)
        task = a_training(written(table, folder / version / "1.csv"), (folder / "models" / version).as_uri())
        task["model"] |= model
        if newer and version == V2:
            task["model"]["estimator"] = newer
        if version == V1:
            task["model"] |= {"features": {"numeric": list(known), "categorical": []}, "target": target}
        task["version"] = version
        trained[version] = task, trainer.done(task)
    asked = rides(300, 3, of_key=of_key)
    asked = asked.assign(target=asked.target > 0) if kind == "classification" else asked
    uri = capture(asked, folder / "captured", "id", "asked", version=V2)
    capture(rides(200, 4), folder / "captured", "id", "asked", version=V1, pod="live")
    capture(asked.head(40), folder / "captured", "id", "asked", version=V1, pod="again")
    capture(rides(60, 5, of_key=of_key), folder / "captured", "id", "asked", shadow=True, pod="shadow", version=V2)
    capture(rides(100, 6, start="2026-01-31T23:00Z"), folder / "captured", "id", "asked", version=V2, pod="young")
    ended = pd.concat([asked, rides(200, 4), rides(60, 5, of_key=of_key), rides(100, 6)])
    target = ended.target.gt(0) if kind == "classification" else ended.target
    keys = ended.id + "#" + ended.groupby("id").cumcount().astype(str)
    labels = written(pd.DataFrame({"id": keys, "target": target}), folder / "labels" / "1.csv")
    training, done = trained[V2]
    check = {
        **{key: training[key] for key in ("namespace", "modelDeployment", "version", "model")},
        "task": "check",
        "live": a_version(done, V2),
        "against": a_version(trained[V1][1], V1),
        "data": {
            "captured": {**captured(uri, labels), "version": V2, "since": "2026-01-30T09:00:00Z"},
            "window": "all",
            "timeColumn": "perennial.time",
        },
        "thresholds": [{"metric": "mse" if kind == "regression" else "accuracy", "max": 5}],
        "predictions": False,
        "now": NOW.isoformat(),
        "storage": (folder / "models" / "check").as_uri(),
    }
    return Two(changed(check, **changes), pd.concat([asked, rides(60, 5, of_key=of_key)]))


def measured(result: Json) -> dict[str, Json]:
    return {each["name"]: each for each in result["metrics"] if "feature" not in each}


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize(("learned", "low", "high"), [(1.0, -0.05, 0.05), (-1.0, 0.4, 1.0)])
def test_excess_is_what_the_replaced_version_would_save(
    trainer: Trainer, tmp_path: Path, kind: str, learned: float, low: float, high: float
) -> None:
    result = trainer.done(two_versions(trainer, tmp_path, learned, kind).task)
    excess = measured(result)["excess_loss"]
    assert low < excess["value"] < high
    assert 0 <= excess["standardError"] < 0.1
    assert result["samples"] == 360
    assert result["waiting"] == 100
    assert "progression-v1 on the same rows" in (tmp_path / "models" / "check" / "report.html").read_text()
    if kind == "regression":
        ours, other = measured(result)["mse"]["value"], result["against"][0]
        assert other["name"] == "mse"
        assert excess["value"] == pytest.approx(1 - other["value"] / ours)


def test_rows_of_one_key_are_one_draw(trainer: Trainer, tmp_path: Path) -> None:
    two = two_versions(trainer, tmp_path, -1.0)
    excess = measured(trainer.done(two.task))["excess_loss"]
    loss = {slope: (two.rows.target - slope * two.rows.x - two.rows.z) ** 2 for slope in (1.0, -1.0)}
    gains = (loss[-1.0] - loss[1.0]).groupby(two.rows.id).mean()
    expected = gains.std() / np.sqrt(len(gains)) / loss[-1.0].mean()
    assert excess["standardError"] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data__captured__version": "progression-v9"}, None),
        ({"now": "2026-01-30T11:00:00Z"}, "0 rows have a label that counts, fewer than 30"),
        ({"against__sha256": "0" * 64}, "progression-v1 cannot be asked for these rows"),
    ],
)
def test_without_enough_rows_or_a_model_nothing_is_compared(
    trainer: Trainer, tmp_path: Path, changes: Json, reason: str | None
) -> None:
    result = trainer.done(two_versions(trainer, tmp_path, **changes).task)
    assert "excess_loss" not in measured(result)
    missing = {each["metric"]: each["reason"] for each in result["notMeasured"]}
    assert reason is None or reason in missing["excess_loss"]
    assert ("mse" in measured(result)) == ("against__sha256" in changes)
    assert result["samples"] == (360 if "against__sha256" in changes else 0)


def test_replaced_version_gets_the_features_that_it_knows(trainer: Trainer, tmp_path: Path) -> None:
    alone = trainer.done(two_versions(trainer, tmp_path / "a", known=("x",)).task)
    assert measured(alone)["excess_loss"]["value"] < -1  # without z it is much worse
    unknown = trainer.done(two_versions(trainer, tmp_path / "b", known=("x", "w")).task)
    assert "excess_loss" not in measured(unknown)
    assert "w is missing" in unknown["notMeasured"][0]["reason"]


def test_rows_of_few_keys_decide_nothing(trainer: Trainer, tmp_path: Path) -> None:
    result = trainer.done(two_versions(trainer, tmp_path, -1.0, of_key=20).task)
    assert "excess_loss" not in measured(result)
    assert "360 rows have 18 keys, fewer than 30" in result["notMeasured"][0]["reason"]


def test_classes_alone_are_compared_without_probabilities(trainer: Trainer, tmp_path: Path) -> None:
    newer = "sklearn.linear_model.RidgeClassifier"
    result = trainer.done(two_versions(trainer, tmp_path, kind="classification", newer=newer).task)
    ours = 1 - measured(result)["accuracy"]["value"]
    other = 1 - next(each["value"] for each in result["against"] if each["name"] == "accuracy")
    assert measured(result)["excess_loss"]["value"] == pytest.approx((ours - other) / ours)


def test_version_of_another_target_is_not_compared(trainer: Trainer, tmp_path: Path) -> None:
    result = trainer.done(two_versions(trainer, tmp_path, target="other").task)
    assert "excess_loss" not in measured(result)
    assert "does regression of other, the candidate regression of target" in result["notMeasured"][0]["reason"]
