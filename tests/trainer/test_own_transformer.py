"""Transformers of a package take the place of the trainer's encoding, in training, validation, checks and requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Features, Transformer
from perennial_trainer.contract.task import Model
from perennial_trainer.models.frameworks.entry_points import ALLOWED
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.serve import protocol
from perennial_trainer.serve.predictor import Predictor
from tests.trainer.own_package import PACKAGE, TRANSFORMER, image_with_package
from tests.trainer.tasks import Frame, Json, Trainer, a_check, a_training, a_validation, a_version, diabetes, written

OTHERS = """
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
seen = []
class Shapes(TransformerMixin, BaseEstimator):
    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self
    def transform(self, X):
        seen.append(X)
        return pd.DataFrame({name: values.map(lambda value: len(str(value))) for name, values in X.items()})
class Missing(Shapes):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
class Unfinished(BaseEstimator):
    def fit(self, X, y): ...
"""
ENTRY_POINTS = {name: f"unsuitable:{name.title()}" for name in ("shapes", "missing", "unfinished")}
CYCLE = {"transformer": TRANSFORMER, "columns": ["age"], "parameters": {"period": 100}}


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    with image_with_package(tmp_path / "package", monkeypatch, {"transformer": ENTRY_POINTS}, OTHERS) as patched:
        yield patched


def patients() -> Frame:
    """Patients with a note; each column has missing values."""
    frame = diabetes().assign(note=[f"patient {'x' * (number % 7)}" for number in range(442)])
    for place, name in enumerate(("age", "sex", "note")):
        frame[name] = frame[name].astype(object if name != "age" else float)
        frame.loc[place::40, name] = None
    return frame


def training(frame: Frame, folder: Path, *transformers: Json, **changes: Any) -> Json:
    uri = written(frame, folder / "data" / "a.parquet")
    task = a_training(uri, (folder / "v1").as_uri(), data__cleaning__missing="impute", **changes)
    task["model"]["features"] |= {"text": [{"column": "note"}], "transformers": list(transformers)}
    return task


def answers(task: Json, trained: Json, frame: Frame) -> Any:
    """Of the server, to a request with the rows."""
    model = msgspec.convert(task["model"], Model)
    predictor = Predictor(load_model(trained["artifact"]["uri"], trained["artifact"]["sha256"]), model)
    assert predictor.encoded_width >= len(model.features.names) + 6, "what transformers return counts, too"
    kinds = dict.fromkeys(model.features.numbers, "FP64") | {"sex": "BYTES", "note": "BYTES"}
    inputs = [
        {
            "name": name,
            "datatype": kind,
            "shape": [len(frame)],
            "data": [None if pd.isna(each) else each if kind == "FP64" else str(each) for each in frame[name]],
        }
        for name, kind in kinds.items()
    ]
    body = orjson.dumps({"inputs": inputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    inference = protocol.read_request(body, model.features, predictor.outputs)
    predictor.check(inference)
    return predictor.predict([inference])[0]["predict"]


def test_transformers_take_part_in_the_whole_loop(trainer: Trainer, tmp_path: Path, image: Any) -> None:
    frame = patients()
    shapes = {"transformer": f"{PACKAGE}:shapes", "columns": ["note", "sex", "age", "bmi"]}
    task = training(frame, tmp_path, CYCLE, shapes, model__estimator="sklearn.linear_model.BayesianRidge")
    answer = trainer.done(task)
    validated = trainer.done(a_validation(task, answer, a_version(answer)))
    assert validated["metrics"]["candidate"]["r2"] > 0.2
    checked = trainer.done(a_check(task, answer, written(frame.tail(100), tmp_path / "recent" / "a.parquet")))
    assert {"age", "note.words"} <= {each["feature"] for each in checked["metrics"] if "feature" in each}
    stored = sorted(each.name for each in (tmp_path / "v1").iterdir())
    assert [name for name in stored if "compiled" in name] == [], "the pipeline itself answers"
    assert json.loads((tmp_path / "v1" / "metadata.json").read_text())["libraries"][PACKAGE] == "1.0"
    assert f"{TRANSFORMER} (period 100)" in (tmp_path / "v1" / "report.html").read_text()
    given = answers(task, answer, frame.head(60))
    assert len(given) == 60 and np.isfinite(given).all()
    from unsuitable import seen  # type: ignore[import-not-found]

    assert all(list(each.columns) == shapes["columns"] and not each.isna().any().any() for each in seen)
    assert (seen[-1]["note"] == "").any()


def test_transformer_that_takes_missing_values_gets_them(trainer: Trainer, tmp_path: Path, image: Any) -> None:
    missing = {"transformer": f"{PACKAGE}:missing", "columns": ["note", "sex", "age"]}
    trainer.done(training(patients(), tmp_path, missing))
    from unsuitable import seen

    assert seen[0].isna().any().all()


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"transformer": "other:any"}, "FrameworkNotInstalled", ["package other", "training.pod.image"]),
        ({"transformer": "evil:any"}, "PackageNotAllowed", ["evil", "allowedPackages"]),
        ({"transformer": f"{PACKAGE}:trimmed-regression"}, "UnknownTransformer", ["perennial.transformers", "cycle"]),
        ({"transformer": f"{PACKAGE}:unfinished"}, "UnknownTransformer", ["transform"]),
        ({"parameters": {"perod": 1}}, "InvalidParameter", ["transformers[0].parameters", "perod", "period"]),
    ],
)
def test_refusal_names_the_transformer_and_the_fix(
    image: pytest.MonkeyPatch, change: Json, reason: str, words: list[str]
) -> None:
    transformer = msgspec.convert(CYCLE | change, Transformer)
    with pytest.raises(RejectedTask) as refused:
        build_pipeline(Ridge(), Features(numeric=("age",), categorical=(), transformers=(transformer,)))
    assert refused.value.reason == reason
    assert [word for word in ["transformers[0]", *words] if word not in str(refused.value)] == [], str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"model__format": "skops"}, "InvalidTask", ["features.transformers", "joblib"]),
        ({"model__framework": "keras"}, "InvalidTask", ["features.transformers", "sklearn"]),
        ({"columns": ["weight"]}, "InvalidTask", ["weight", "which is not a feature"]),
        ({"columns": ["age", "age"]}, "InvalidTask", ["age", "twice"]),
        ({"parameters": {"period": 0}}, "FitFailed", ["give a number above 0"]),
        ({"columns": ["note"]}, "FitFailed", ["could not convert string to float"]),
    ],
)
def test_transformer_that_cannot_be_fitted_is_refused(
    trainer: Trainer, tmp_path: Path, image: Any, change: Json, reason: str, words: list[str]
) -> None:
    of_model = {name: value for name, value in change.items() if "__" in name}
    code, answer = trainer(training(patients(), tmp_path, CYCLE | ({} if of_model else change), **of_model))
    assert (code, answer["reason"]) == (3, reason), answer
    assert [word for word in words if word not in answer["message"]] == [], answer["message"]


def test_no_package_is_imported_that_is_not_allowed(
    trainer: Trainer, tmp_path: Path, image: pytest.MonkeyPatch
) -> None:
    image.setenv(ALLOWED, "other")
    code, answer = trainer(training(patients(), tmp_path, CYCLE))
    assert (code, answer["reason"]) == (3, "PackageNotAllowed"), answer
