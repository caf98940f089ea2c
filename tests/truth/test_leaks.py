"""A feature that alone predicts the target almost perfectly is reported by its name."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data.rows import convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models.pipeline import check_encoded_size
from perennial_trainer.profiling.leaks import find_leaks
from tests.trainer.tasks import Frame, Trainer, a_training, diabetes, iris, written

R = np.random.default_rng(1)
ROWS = 4000
CLASS = np.where(R.random(ROWS) < 0.3, "ill", "well")
LEAKS: dict[str, Any] = {
    "codes of one class alone": [f"{name[0]}{code}" for name, code in zip(CLASS, R.integers(0, 60, ROWS), strict=True)],
    "zero means a class": np.where(CLASS == "ill", 0.0, R.gamma(2, size=ROWS) + 0.1),
    "some zeros of one class": np.where((CLASS == "ill") & (R.random(ROWS) < 0.3), 0.0, R.gamma(2, size=ROWS) + 0.1),
    "a threshold": np.where(CLASS == "ill", 1.0, -1.0) + R.random(ROWS),
}
FAIR: dict[str, Any] = {
    "many codes": [f"code {each}" for each in R.integers(0, 3000, ROWS)],
    "unique codes": [f"key {each}" for each in range(ROWS)],
    "a strong cause": np.where(CLASS == "ill", 1.5, -1.5) + R.normal(size=ROWS),
    "zeros of both": np.where(R.random(ROWS) < 0.3, 0.0, R.gamma(2, size=ROWS)),
    "few codes": [f"code {each}" for each in R.integers(0, 5, ROWS)],
}


def classes(feature: Any) -> Any:
    numeric = isinstance(feature, np.ndarray)
    features = Features(numeric=("x",) if numeric else (), categorical=() if numeric else ("x",))
    return convert_rows(pd.DataFrame({"x": feature, "y": CLASS}), Columns(features, "y", "classification", None))


@pytest.mark.parametrize("name", LEAKS)
def test_feature_that_gives_the_class_away_is_found(name: str) -> None:
    assert set(find_leaks(classes(LEAKS[name]), frozenset())) == {"x"}
    assert find_leaks(classes(LEAKS[name]), frozenset({"x"})) == {}


@pytest.mark.parametrize("name", FAIR)
def test_feature_that_only_helps_is_no_leak(name: str) -> None:
    assert find_leaks(classes(FAIR[name]), frozenset()) == {}


def test_strong_numeric_features_of_real_data_are_no_leaks() -> None:
    frame = diabetes()
    names = ("age", "bmi", "bp", "s1", "s5")
    assert (
        find_leaks(
            convert_rows(frame, Columns(Features(numeric=names, categorical=()), "target", "regression", None)),
            frozenset(),
        )
        == {}
    )
    flowers = iris()
    features = Features(numeric=tuple(flowers.columns[:4]), categorical=())
    assert find_leaks(convert_rows(flowers, Columns(features, "target", "classification", None)), frozenset()) == {}


def meter() -> Frame:
    """The next reading of a meter is almost the last one: legitimate, as the last one is known."""
    generator = np.random.default_rng(0)
    reading = np.cumsum(generator.gamma(2, size=2000))
    return pd.DataFrame(
        {"last": reading, "heat": generator.normal(size=2000), "y": reading + generator.gamma(2, size=2000)}
    )


def test_refused_leak_can_be_allowed_by_its_name(trainer: Trainer, tmp_path: Path) -> None:
    task = a_training(written(meter(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    task["model"] |= {"target": "y", "features": {"numeric": ["last", "heat"], "categorical": []}}
    code, answer = trainer(task)
    assert (code, answer["reason"]) == (3, "LeakingColumn")
    assert "last" in answer["message"] and "data.allowLeaks" in answer["message"]
    task["data"]["allowLeaks"] = ["last"]
    assert "findings" not in trainer.done(task)
    task["data"]["allowLeaks"] = ["lost"]
    assert trainer(task).answer["reason"] == "InvalidTask"


def test_leak_is_reported_in_the_result_and_on_the_page(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes().assign(s1=lambda f: np.exp(f["target"] / 50))
    trained = trainer.done(a_training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri()))
    assert "feature s1 has a rank correlation of 1.0000" in trained["findings"][0]
    assert trained["findings"][0] in trained["message"]
    for name in ("report.html", "metrics.json"):
        assert "rank correlation of 1.0000" in (tmp_path / "v1" / name).read_text()


def test_memory_of_a_wide_category_is_foreseen() -> None:
    """Kind 21: each of 4,000 values is a column for a dense estimator."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    frame = pd.DataFrame({"id": [f"id {each}" for each in range(4000)], "y": np.arange(4000.0)})
    rows = convert_rows(frame, Columns(Features(numeric=(), categorical=("id",)), "y", "regression", None))
    with pytest.raises(RejectedTask, match="feature id has 4000 values") as refused:
        check_encoded_size(rows, HistGradientBoostingRegressor(), 700_000_000)
    assert refused.value.reason == "DataTooLarge"
    check_encoded_size(rows, HistGradientBoostingRegressor(), 2_000_000_000)
    check_encoded_size(rows, Ridge(), 700_000_000)  # takes sparse rows


def test_bytes_do_not_depend_on_the_number_of_threads(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 20."""
    from threadpoolctl import threadpool_limits

    digests = set()
    for threads in (1, 2):
        task = a_training(written(diabetes(), tmp_path / "data" / "a.csv"), (tmp_path / f"v{threads}").as_uri())
        task["model"] |= {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "parameters": {"max_iter": 5}}
        with threadpool_limits(threads, user_api="openmp"):
            digests.add(trainer.done(task)["artifact"]["sha256"])
    assert len(digests) == 1
