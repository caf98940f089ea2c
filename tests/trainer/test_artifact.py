"""Nothing is loaded whose digest was not checked, and no code of others runs."""

import io
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from threadpoolctl import threadpool_limits

from perennial_trainer.artifacts.model_file import load_model, parse_model
from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.contract.task import Features, Kind, Model
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.frameworks.allow_list import allowed_estimators
from perennial_trainer.models.frameworks.sklearn import dump_pipeline
from perennial_trainer.models.pipeline import build_pipeline, fit
from perennial_trainer.models.scoring import score
from perennial_trainer.storage.digest import sha256_digest
from tests.trainer.estimators import PARAMETERS
from tests.trainer.tasks import MODELS, diabetes, iris

FORMATS = ["joblib", "skops"]


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


class Foreign(BaseEstimator):  # type: ignore[misc]
    """An estimator that is not scikit-learn's."""


def stored(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    return path.as_uri()


def rows(kind: Kind) -> Rows:
    frame = diabetes() if kind == "regression" else iris().assign(sex=np.arange(150) % 2)
    features = MODELS["diabetes" if kind == "regression" else "iris"]["features"]
    wanted = Features(numeric=tuple(features["numeric"]), categorical=("sex",))
    return convert_rows(frame.iloc[::2].reset_index(drop=True), Columns(wanted, "target", kind, None))


def fitted(name: str, kind: Kind, data: Rows, parameters: dict[str, Any] | None = None) -> Any:
    model = Model(
        framework="sklearn",
        format="joblib",
        estimator=name,
        parameters=parameters or PARAMETERS.get(name, {}),
        task=kind,
        features=data.columns.features,
        target="target",
    )
    return fit(build_pipeline(build_estimator(model), model.features), data)


def test_a_file_with_another_digest_is_never_unpickled(tmp_path: Path) -> None:
    content = pickle.dumps(Bomb(tmp_path / "trace"))
    uri = stored(content, tmp_path / "model.joblib")
    with pytest.raises(RejectedTask, match=sha256_digest(content)) as refused:
        load_model(uri, "0" * 64)
    assert refused.value.reason == "DigestMismatch"
    assert not (tmp_path / "trace").exists()
    with pytest.raises(AttributeError):  # the control: with its digest it is, and is no pipeline
        load_model(uri, sha256_digest(content)).predict([])
    assert (tmp_path / "trace").exists()


def test_no_foreign_type_is_built_from_skops_whatever_its_digest(tmp_path: Path) -> None:
    content = skops.io.dumps(Foreign())
    uri = stored(content, tmp_path / "model.skops")
    with pytest.raises(RejectedTask, match="Foreign") as refused:
        load_model(uri, sha256_digest(content))
    assert refused.value.reason == "UntrustedArtifact"


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RejectedTask, match=r"model\.joblib") as refused:
        load_model((tmp_path / "model.joblib").as_uri(), "0" * 64)
    assert refused.value.reason == "ArtifactMissing"


def test_unreachable_storage_is_a_failure_to_retry() -> None:
    with pytest.raises(FailedTask) as failed:
        load_model("http://127.0.0.1:1/model.joblib", "0" * 64)
    assert failed.value.reason == "StorageUnreachable"


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_no_model_is_refused(tmp_path: Path, suffix: str) -> None:
    uri = stored(b"no model", tmp_path / f"model.{suffix}")
    with pytest.raises(RejectedTask, match=suffix) as refused:
        load_model(uri, sha256_digest(b"no model"))
    assert refused.value.reason == "UnreadableArtifact"


def test_model_of_another_scikit_learn_is_rejected(tmp_path: Path) -> None:
    pipeline = fitted("sklearn.linear_model.Ridge", "regression", rows("regression"))
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    import sklearn

    content = buffer.getvalue().replace(sklearn.__version__.encode(), b"0.9.9")
    assert content != buffer.getvalue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        joblib.load(io.BytesIO(content))  # the control: it is whole
    uri = stored(content, tmp_path / "model.joblib")
    with pytest.raises(RejectedTask, match=r"0\.9\.9") as refused:
        load_model(uri, sha256_digest(content))
    assert refused.value.reason == "LibraryMismatch"


SLOW = {"GradientBoostingClassifier", "HistGradientBoostingClassifier", "PoissonRegressor", "TheilSenRegressor"}
# One-hot columns are collinear, scaled ones negative: these four need other data, and say so.
NEEDY = {"QuadraticDiscriminantAnalysis", "MultinomialNB", "ComplementNB", "CategoricalNB"}
EVERY = [
    (kind, name)
    for kind in ("regression", "classification")
    for name in allowed_estimators(kind)
    if name.rpartition(".")[2] not in SLOW | NEEDY
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[name for _, name in EVERY])
def test_both_formats_restore_every_allowed_estimator(kind: Kind, name: str) -> None:
    data = rows(kind)
    pipeline = fitted(name, kind, data)
    for each in ("joblib", "skops"):
        again = parse_model("uri", dump_pipeline(pipeline, each), each)
        assert (score(again, data).prediction == score(pipeline, data).prediction).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [*sorted(NEEDY), "SVC", "NuSVC", "LinearSVC", "KNeighborsClassifier", "LogisticRegression"]
)
def test_skops_restores_estimators_fitted_to_sparse_rows(name: str) -> None:
    frame = pd.DataFrame({"city": [f"city {number % 30}" for number in range(300)], "target": [0, 0, 1] * 100})
    data = convert_rows(frame, Columns(Features(numeric=(), categorical=("city",)), "target", "classification", None))
    (full,) = [each for each in allowed_estimators("classification") if each.endswith(f".{name}")]
    parameters = {"reg_param": 0.5} if name.startswith("Quadratic") else {}
    pipeline = fitted(full, "classification", data, parameters)
    again = parse_model("uri", dump_pipeline(pipeline, "skops"), "skops")
    assert (score(again, data).prediction == score(pipeline, data).prediction).all()


@pytest.mark.parametrize("stored_as", FORMATS)
@pytest.mark.parametrize(
    "name",
    [
        "lightgbm.LGBMClassifier",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.ensemble.StackingClassifier",
        "xgboost.XGBClassifier",
    ],
)
def test_same_rows_give_same_bytes_on_any_number_of_threads(stored_as: Any, name: str) -> None:
    data, files = rows("classification"), set()
    for threads in (1, 3):
        with threadpool_limits(threads, "openmp"):
            files.add(dump_pipeline(fitted(name, "classification", data), stored_as))
    assert len(files) == 1
