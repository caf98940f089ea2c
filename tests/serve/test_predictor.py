"""A batch is predicted at once, and nobody notices."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR

from perennial_trainer.contract.task import Model
from perennial_trainer.data import conversion
from perennial_trainer.models import pipeline
from perennial_trainer.serve import protocol
from perennial_trainer.serve.predictor import Predictor
from perennial_trainer.serve.protocol import Inference
from perennial_trainer.serve.tensors import BadRequestError
from tests.serve.processes import MIXED, rides
from tests.serve.requests import DATATYPES, tensor


def predictor(estimator: Any, target: Any, task: str = "classification") -> Predictor:
    model = Model(
        framework="sklearn",
        format="joblib",
        estimator="any",
        parameters={},
        task=task,
        features=MIXED,
        target="y",
    )
    return Predictor(
        pipeline.build_pipeline(estimator, MIXED).fit(conversion.feature_frame(rides(), MIXED), target), model
    )


SEASONS = predictor(LogisticRegression(), rides().season.astype(int).to_numpy())

number = st.none() | st.floats(-10, 10)
season: st.SearchStrategy[tuple[str, list[Any]]] = st.one_of(
    st.tuples(
        st.just("BYTES"), st.lists(st.none() | st.sampled_from(["1", "2", "unheard of"]), min_size=1, max_size=3)
    ),
    st.tuples(st.just("INT64"), st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=3)),
    st.tuples(st.just("FP64"), st.lists(st.none() | st.floats(0, 3), min_size=1, max_size=3)),
    st.tuples(st.just("BOOL"), st.lists(st.none() | st.booleans(), min_size=1, max_size=3)),
)


@st.composite
def inferences(draw: st.DrawFn) -> Inference:
    datatype, seasons = draw(season)
    rows = len(seasons)
    inputs = [tensor(name, draw(st.lists(number, min_size=rows, max_size=rows))) for name in MIXED.numeric]
    outputs = [{"name": name} for name in draw(st.lists(st.sampled_from(["predict", "predict_proba"]), unique=True))]
    body = {"inputs": [*inputs, tensor("season", seasons, datatype=datatype)], "outputs": outputs}
    return protocol.read_request(orjson.dumps(body), MIXED, SEASONS.outputs)


@settings(max_examples=50, deadline=None)
@given(st.lists(inferences(), min_size=1, max_size=5))
def test_batching_does_not_change_predictions(batch: list[Inference]) -> None:
    for inference, together in zip(batch, SEASONS.predict(batch), strict=True):
        [alone] = SEASONS.predict([inference])
        assert list(together) == list(alone) == list(inference.outputs)
        for name, values in alone.items():
            assert together[name].shape == values.shape
            assert np.allclose(together[name], values)


@pytest.mark.parametrize(
    ("target", "datatype", "classes"),
    [
        (rides().season.astype(int).to_numpy(), "INT64", [1, 2, 3]),
        (rides().busy.to_numpy(dtype=object), "BYTES", ["busy", "calm"]),
        (rides().busy.to_numpy(dtype="U4"), "BYTES", ["busy", "calm"]),
    ],
)
def test_classes_keep_their_type(target: Any, datatype: str, classes: list[Any]) -> None:
    predict, probabilities = predictor(LogisticRegression(), target).metadata()
    assert predict["datatype"] == datatype
    assert probabilities["parameters"] == {"classes": classes}


def test_a_classifier_without_probabilities_does_not_offer_them() -> None:
    assert list(predictor(RidgeClassifier(), rides().busy.to_numpy(dtype=object)).outputs) == ["predict"]


class Short(LogisticRegression):
    """Forgets a row."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return super().predict(X)[:-1]


def test_a_model_with_too_few_predictions_fails_all_requests() -> None:
    columns = {name: [1.0, 2.0] for name in DATATYPES}
    forgetful = predictor(Short(), rides().season.astype(int).to_numpy())
    with pytest.raises(ValueError, match="reshape"):
        forgetful.predict([Inference(None, 2, columns, ["predict"])] * 2)


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        RandomForestRegressor(2),
        HistGradientBoostingRegressor(max_iter=2),
        KNeighborsRegressor(),
        SVR(),
    ],
)
def test_a_model_takes_every_value_that_is_not_refused(estimator: Any) -> None:
    fitted = predictor(estimator, rides().cnt, "regression")
    accepted = 0
    for power in (1.0, 1e30, 3.3e37, 9e37, 1.1e38, 3.5e38, 1e300, 1.797e308):
        for value in (power, -power):
            body = {"inputs": [tensor("temp", [value]), tensor("hum", [None]), tensor("season", ["1"])]}
            try:
                inference = protocol.read_request(orjson.dumps(body), MIXED, fitted.outputs)
                fitted.check(inference)
            except BadRequestError as error:
                assert f"input temp is {value:.6g} in row 0" in str(error)
            else:
                fitted.predict([inference])
                accepted += 1
    assert accepted == 8  # the deviation of temp is about 0.3
