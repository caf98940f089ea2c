"""A drift check reports the drift of recent rows and the performance of the live version."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.storage.digest import sha256_digest
from tests.trainer.tasks import (
    Frame,
    Json,
    Outcome,
    Trainer,
    a_check,
    a_training,
    breast_cancer,
    changed,
    diabetes,
    iris,
    written,
)


class Live:
    """A live version of the diabetes model, checked against recent rows."""

    def __init__(self, trainer: Trainer, tmp_path: Path) -> None:
        self.trainer, self.tmp_path = trainer, tmp_path
        self.training = a_training(written(diabetes(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
        self.trained = trainer.done(self.training)

    def task(self, recent: Frame, **changes: Any) -> Json:
        uri = written(recent, self.tmp_path / "recent" / "b.parquet")
        return a_check(self.training, self.trained, uri, **changes)

    def __call__(self, recent: Frame, **changes: Any) -> Json:
        return self.trainer.done(self.task(recent, **changes))


@pytest.fixture
def live(trainer: Trainer, tmp_path: Path) -> Live:
    return Live(trainer, tmp_path)


def values(answer: Json, name: str) -> dict[str | None, float]:
    return {each.get("feature"): each["value"] for each in answer["metrics"] if each["name"] == name}


def test_training_rows_have_no_drift(live: Live) -> None:
    answer = live(diabetes())
    assert answer["samples"] == 442
    assert set(values(answer, "psi")) == {"age", "bmi", "bp", "s1", "s5", "sex"}
    assert (
        max(values(answer, "psi").values()) < 0.1
    )  # a fifth of the rows is the holdout, some beyond the range of the rest
    assert max(values(answer, "ks").values()) < 0.05
    assert values(answer, "drifted_share") == {None: 0}
    assert values(answer, "prediction_psi")[None] < 0.3  # of 88 held-out predictions
    assert not values(answer, "missing_share")


def test_greatest_drift_comes_first_and_is_counted(live: Live) -> None:
    frame = diabetes()
    answer = live(frame.assign(bmi=frame["bmi"] + 10, bp=frame["bp"].where(frame.index % 4 > 0)))
    psi = values(answer, "psi")
    assert list(psi)[:2] == ["bmi", "bp"]
    assert psi["bmi"] > psi["bp"] > 0.2 > psi["age"]
    assert values(answer, "drifted_share")[None] == pytest.approx(2 / 6, abs=1e-6)
    assert values(answer, "missing_share") == {"bp": pytest.approx(111 / 442, abs=1e-6)}
    assert values(answer, "ks")["bmi"] > 0.5


def test_rows_with_targets_give_metrics_with_standard_errors(live: Live) -> None:
    answer = live(diabetes())
    scores = {each["name"]: each for each in answer["metrics"] if each["name"] in ("mse", "rmse", "mae", "r2")}
    assert scores["r2"]["value"] > 0.4
    assert [name for name, each in scores.items() if "standardError" in each] == ["mse", "rmse", "mae"]
    worse = live(diabetes().assign(target=lambda f: 400 - f["target"]))
    assert values(worse, "mse")[None] > 2 * scores["mse"]["value"]


@pytest.mark.parametrize("labelled", [0, 1, 100])
def test_rows_without_target_count_for_drift_only(live: Live, labelled: int) -> None:
    frame = diabetes()
    answer = live(frame.assign(target=frame["target"].where(frame.index < labelled)))
    assert answer["samples"] == 442
    assert bool(values(answer, "mse")) == (labelled > 0)
    assert f"{labelled} with a target" in answer["message"]


def test_data_without_target_column_are_checked_for_drift(live: Live) -> None:
    answer = live(diabetes().drop(columns="target"))
    assert not values(answer, "mse") and values(answer, "psi")


@pytest.mark.parametrize(
    ("window", "samples", "start"),
    [("all", 442, "2026-01-01T00:00:00Z"), ("24h", 24, "2026-01-18T10:00:00Z"), (10, 10, "2026-01-19T00:00:00Z")],
)
def test_window_counts_back_from_the_newest_row(live: Live, window: str | int, samples: int, start: str) -> None:
    answer = live(diabetes().sample(frac=1, random_state=0), data__timeColumn="day", data__window=window)
    assert (answer["samples"], answer["window"]) == (samples, {"start": start, "end": "2026-01-19T09:00:00Z"})


def test_last_rows_are_newest_without_time_column(live: Live) -> None:
    answer = live(diabetes(), data__window=50)
    assert answer["samples"] == 50
    assert "window" not in answer


def test_check_without_rows_has_no_metrics(live: Live) -> None:
    answer = live(diabetes().head(0))
    assert (answer["samples"], answer["metrics"]) == (0, [])
    assert "details" not in answer


def test_single_row_can_be_checked(live: Live) -> None:
    assert live(diabetes().head(1))["samples"] == 1


def test_stored_details_have_shares_and_no_values(live: Live) -> None:
    answer = live(diabetes())
    folder = Path(answer["details"].removeprefix("file://")).parent
    details = json.loads((folder / "drift.json").read_text())
    assert set(details["bins"]) == {"age", "bmi", "bp", "s1", "s5", "sex"}
    assert sum(details["bins"]["bmi"]["recent"]) == pytest.approx(1)
    assert details["answer"]["samples"] == 442
    page = (folder / "report.html").read_text()
    assert "prediction" not in page or "bmi" in page
    assert "://" not in page


def test_repeated_check_gives_the_same_result(live: Live) -> None:
    assert live(diabetes()) == live(diabetes())


def test_digest_is_that_of_the_rows_whatever_the_numbers_are(live: Live) -> None:
    rows = diabetes()
    within_bins = rows.assign(bmi=rows["bmi"] * (1 + 1e-12))
    digests = [live(each)["rowsDigest"] for each in (rows, within_bins, rows.tail(441), rows.assign(sex=3), rows)]
    assert len(set(digests)) == 4
    assert digests[0] == digests[-1]


def test_new_category_counts_as_others(live: Live) -> None:
    answer = live(diabetes().assign(sex=3))
    assert values(answer, "psi")["sex"] > 1


@pytest.mark.parametrize(("name", "frame"), [("iris", iris()), ("breast_cancer", breast_cancer())])
def test_classifier_is_checked(trainer: Trainer, tmp_path: Path, name: str, frame: Frame) -> None:
    training = a_training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), name)
    trained = trainer.done(training)
    task = a_check(training, trained, written(frame, tmp_path / "recent" / "a.csv"))
    answer = trainer.done({**task, "thresholds": [{"metric": "prediction_psi", "max": 0.2}]})
    assert values(answer, "accuracy")[None] > 0.9
    assert values(answer, "roc_auc")[None] > 0.9
    assert all(each.get("chance", 1) > 0.005 for each in answer["metrics"] if each["name"] == "prediction_psi")
    assert values(answer, "target_psi")[None] < 0.2
    assert len(answer["metrics"]) > 10


def test_wide_check_reports_most_drift_first_and_stores_all(trainer: Trainer, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labs = pd.DataFrame(generator.normal(size=(442, 150)), columns=[f"lab_{i:03}" for i in range(150)])
    frame = pd.concat([diabetes(), labs], axis=1)
    training = a_training(written(frame, tmp_path / "data" / "a.parquet"), (tmp_path / "v1").as_uri())
    training["model"]["features"]["numeric"] += list(labs)
    trained = trainer.done(training)
    recent = written(frame.assign(lab_077=9.0), tmp_path / "recent" / "a.parquet")
    answer = trainer.done(a_check(training, trained, recent))
    assert next(iter(values(answer, "psi"))) == "lab_077"
    details = json.loads((tmp_path / "v1-check" / "drift.json").read_text())
    everything = len(details["answer"]["metrics"])
    assert everything > len(answer["metrics"]) > 300
    assert answer["omitted"] == everything - len(answer["metrics"])


def refused(outcome: Outcome) -> tuple[str, str]:
    assert (outcome.code, outcome.answer["outcome"]) == (3, "Refused")
    return outcome.answer["reason"], outcome.answer["message"]


@pytest.mark.parametrize(
    ("reason", "recent", "word"),
    [
        ("MissingColumn", diabetes().drop(columns="bmi"), "bmi"),
        ("NonNumericFeature", diabetes().assign(bmi="heavy"), "bmi"),
        ("NonNumericTarget", diabetes().assign(target="high"), "target"),
    ],
)
def test_recent_data_that_cannot_be_converted_are_rejected(live: Live, reason: str, recent: Frame, word: str) -> None:
    rejected_with, message = refused(live.trainer(live.task(recent)))
    assert rejected_with == reason
    assert word in message


def test_changed_live_model_is_not_loaded(live: Live) -> None:
    task = changed(live.task(diabetes()), live__sha256="0" * 64)
    assert refused(live.trainer(task))[0] == "DigestMismatch"


def test_model_is_loaded_only_for_targets_without_predictions(live: Live) -> None:
    unasked = changed(live.task(diabetes().drop(columns="target")), live__sha256="0" * 64, predictions=False)
    answer = live.trainer.done(unasked)
    assert values(answer, "psi") and not values(answer, "prediction_psi")
    assert refused(live.trainer(changed(live.task(diabetes()), live__sha256="0" * 64, predictions=False)))[0] == (
        "DigestMismatch"
    )


def test_feature_without_profile_is_named(live: Live) -> None:
    task = changed(live.task(diabetes()), model__features={"numeric": ["bmi", "s2"], "categorical": []})
    reason, message = refused(live.trainer(task))
    assert reason == "ProfileMismatch"
    assert "s2" in message


def store_profile(live: Live, content: bytes) -> None:
    """The version has this profile, as an earlier trainer may have stored it: with its digest, and not that of both."""
    folder = live.tmp_path / "v1"
    (folder / "profile.json").write_bytes(content)
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["files"]["profile.json"] = {"sha256": sha256_digest(content), "bytes": len(content)}
    (folder / "metadata.json").write_text(json.dumps(metadata))


@pytest.mark.parametrize(("content", "reason"), [(b"{}", "UnreadableProfile"), (None, "ArtifactMissing")])
def test_missing_or_damaged_profile_is_named(live: Live, content: bytes | None, reason: str) -> None:
    (live.tmp_path / "v1" / "profile.json").unlink()
    if content is not None:
        store_profile(live, content)
    rejected_with, message = refused(live.trainer(live.task(diabetes())))
    assert rejected_with == reason
    assert "profile.json" in message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("rows",), 0),
        (("features", "bmi", "size"), 0),
        (("features", "bmi", "shares", 0), -0.1),
        (("features", "sex", "shares", 0), 1.5),
        (("features", "bmi", "upto", 0), -1),
        (("features", "bmi", "deviation"), -1.0),
    ],
)
def test_impossible_profile_is_rejected_without_metrics(live: Live, place: tuple[Any, ...], value: float) -> None:
    path = live.tmp_path / "v1" / "profile.json"
    content = parent = json.loads(path.read_bytes())
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    store_profile(live, json.dumps(content).encode())
    reason, message = refused(live.trainer(live.task(diabetes())))
    assert reason == "UnreadableProfile"
    assert str(place[0]) in message


def as_first_stored(column: Json) -> Json:
    """The profile of a column as the first release wrote it: a hundred quantiles with shares, and nothing beside."""
    if column["type"] == "categorical":
        return {name: column[name] for name in ("type", "values", "shares")}
    old = {name: column[name] for name in ("type", "edges", "shares")}
    which = range(0, len(column["points"]), max(1, len(column["points"]) // 100))
    size = column["size"]
    old["points"] = [column["points"][each] for each in which]
    return old | {name: [column[name][each] / size for each in which] for name in ("below", "upto")}


def test_version_of_first_release_can_be_checked(live: Live) -> None:
    frame = diabetes()
    shifted = frame.assign(bmi=frame["bmi"] + 3)
    now = live(shifted)
    path = live.tmp_path / "v1" / "profile.json"
    profile = json.loads(path.read_text())
    profile["features"] = {name: as_first_stored(each) for name, each in profile["features"].items()}
    profile |= {name: as_first_stored(profile[name]) for name in ("target", "prediction")}
    store_profile(live, json.dumps(profile).encode())
    then = live(shifted)
    for name in ("psi", "ks", "wasserstein", "js"):
        assert values(then, name) == pytest.approx(values(now, name), abs=0.02), name


def test_details_have_every_statistic_and_new_categories(live: Live) -> None:
    answer = live(diabetes().assign(sex=lambda f: f["sex"].where(f.index % 2 > 0, 3)))
    assert values(answer, "new_share") == {"sex": 0.5}
    folder = Path(answer["details"].removeprefix("file://")).parent
    features = json.loads((folder / "drift.json").read_text())["features"]
    both = {"psi", "js", "missing_before", "missing_share", "missing_increase"}
    assert set(features["sex"]) == both | {"new_share", "chi2", "chi2_p"}
    assert set(features["bmi"]) == both | {"ks", "ks_p", "wasserstein"}
    assert 0 < values(answer, "significant_share")[None] < 0.5


def test_even_sample_of_unlabelled_rows_is_scored(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = diabetes().drop(columns="target")
    whole = values(live(frame), "prediction_psi")[None]
    monkeypatch.setattr("perennial_trainer.drift.check.MAX_UNLABELLED", 300)
    assert values(live(frame), "prediction_psi")[None] == pytest.approx(whole, abs=0.1)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_unlabelled_rows_are_checked_from_any_file_format(trainer: Trainer, tmp_path: Path, suffix: str) -> None:
    task = a_training(written(iris(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), "iris")
    trained = trainer.done(task)
    recent = written(iris().drop(columns="target"), tmp_path / "recent" / f"a.{suffix}")
    checked = trainer.done(a_check(task, trained, recent))
    assert checked["samples"] == 150
    assert "accuracy" not in {each["name"] for each in checked["metrics"]}
