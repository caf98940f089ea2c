"""A compiled model answers what its pipeline answers, bit for bit the same for a row alone and among others."""

import os
import warnings
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial_trainer.compiled import file
from perennial_trainer.compiled.agreement import RELATIVE, agrees
from perennial_trainer.compiled.build import COMPILERS, NotCompiledError, compile_pipeline
from perennial_trainer.compiled.model import CompiledModel
from perennial_trainer.compiled.pipeline import table_of
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Kind
from perennial_trainer.models.blend import blended
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.serve import protocol
from perennial_trainer.serve.predictor import Predictor
from perennial_trainer.serve.tensors import BadRequestError
from tests.compiled.pipelines import FEATURES, estimators, fitted, model_of, rides

DEEP = bool(os.environ.get("DEEP"))  # 100,000 requests and every estimator
FEW = {
    *("linear_model.LinearRegression", "linear_model.TweedieRegressor", "linear_model.LogisticRegression"),
    *("svm.LinearSVC", "ensemble.RandomForestRegressor", "ensemble.RandomForestClassifier", "tree.ExtraTreeClassifier"),
    *("ensemble.GradientBoostingClassifier", "ensemble.HistGradientBoostingRegressor", "svm.SVC"),
    *("ensemble.HistGradientBoostingClassifier", "lightgbm.LGBMClassifier", "xgboost.XGBClassifier"),
}
Parameters = tuple[tuple[str, Any], ...]
STOPS_EARLY: Parameters = (("n_estimators", 300), ("n_iter_no_change", 2))
OTHER: dict[str, list[Parameters]] = {
    "sklearn.linear_model.SGDClassifier": [(("loss", "log_loss"),), (("loss", "modified_huber"),)],
    "sklearn.linear_model.TweedieRegressor": [(("power", 1.5),)],
    "sklearn.ensemble.HistGradientBoostingRegressor": [(("loss", "poisson"),)],
    "lightgbm.LGBMRegressor": [(("objective", "poisson"),)],
    "xgboost.XGBRegressor": [(("objective", "count:poisson"),)],
    "sklearn.ensemble.GradientBoostingClassifier": [(("loss", "exponential"),), STOPS_EARLY],
    "sklearn.ensemble.GradientBoostingRegressor": [STOPS_EARLY],
}
CASES = [
    (name, kind, classes, parameters)
    for name, kind in estimators()
    for classes in ((2, 3) if kind == "classification" else (0,))
    for parameters in [(), *OTHER.get(name, [])]
    if (classes, parameters) != (3, (("loss", "exponential"),))
    if DEEP or name.removeprefix("sklearn.") in FEW
]
COMPILED = sum(name.rpartition(".")[2] in COMPILERS for name, *_ in CASES)
MAGNITUDES = [0.0, -0.0, 1.0, 20.5, 1e-300, 1e15, 3.4e38, 1e300]
numbers = st.none() | st.floats(-40, 40) | st.sampled_from(MAGNITUDES)
CATEGORIES: dict[str, st.SearchStrategy[Any]] = {
    "BYTES": st.sampled_from(["1", "2.0", "mon", "tue", "unheard of", "", "true"]),
    "INT64": st.integers(0, 4),
    "FP64": st.floats(0, 4),
    "BOOL": st.booleans(),
}


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A request of a few rows, as the protocol allows it."""
    rows = draw(st.integers(1, 5))
    inputs = []
    for name in FEATURES.names:
        numeric = name in FEATURES.numeric
        datatype = draw(st.sampled_from(["FP64", "FP32"] if numeric else [*CATEGORIES]))
        values = numbers if numeric else st.none() | CATEGORIES[datatype]
        data = draw(st.lists(values, min_size=rows, max_size=rows))
        inputs.append({"name": name, "shape": [rows], "datatype": datatype, "data": data})
    return orjson.dumps({"inputs": inputs})


def close(given: Any, expected: Any, terms: Any) -> bool:
    if expected.dtype == object:
        return bool((given == expected).all())
    no_answer = np.isnan(given) & np.isnan(expected)  # of a row without neighbours
    return bool((agrees(given, expected, terms) | no_answer).all())


def compiled(pipeline: Any) -> CompiledModel | None:
    """The model as a server reads it; None if the pipeline itself has to answer."""
    try:
        return file.decode("x", file.encode(compile_pipeline(pipeline), "0" * 64), "0" * 64)
    except NotCompiledError:
        return None


@pytest.mark.timeout(0 if DEEP else 300)
@pytest.mark.parametrize(("name", "kind", "classes", "parameters"), CASES)
def test_answers_are_those_of_the_pipeline(name: str, kind: Kind, classes: int, parameters: Parameters) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipeline = fitted(name, kind, classes, parameters)
        except ValueError:
            pytest.skip("cannot be fitted to these rows")
        except RejectedTask:
            assert name.rpartition(".")[2] not in COMPILERS
            pytest.skip("takes other estimators, which are not given here")
    model = compiled(pipeline)
    assert (model is not None) == (
        name.rpartition(".")[2] in COMPILERS and ("loss", "modified_huber") not in parameters
    )
    spec = model_of(name, kind)
    ours, its = Predictor(model or pipeline, spec), Predictor(pipeline, spec)
    assert ours.metadata() == its.metadata()
    outputs = list(its.outputs)

    # Where the pipeline itself answers, both are the same.
    @settings(max_examples=100_000 // COMPILED if DEEP and model else 25, deadline=None, database=None)
    @given(bodies())
    def answers_are_equal(body: bytes) -> None:
        try:
            inference = protocol.read_request(body, FEATURES, outputs)._replace(outputs=outputs)
            its.check(inference)
        except BadRequestError as error:
            with pytest.raises(BadRequestError, match=r"which no model can use|but the model takes") as refused:
                ours.check(protocol.read_request(body, FEATURES, outputs))
            assert str(refused.value) == str(error)
            return
        try:
            [expected] = its.predict([inference])
        except ValueError:  # only of a radius without neighbours, and no label for it
            with pytest.raises(ValueError, match="No neighbors found"):
                ours.predict([inference])
            return
        [given] = ours.predict([inference])
        terms = np.zeros(inference.rows)
        if model is not None:
            terms = model.terms(ours._answers.table(inference.rows, inference.columns))
        assert all(close(given[output], expected[output], terms) for output in outputs)
        alone = [ours.predict([part])[0] for part in inference.parts(1)]
        for output in outputs if model is not None else ():
            assert np.array_equal(np.concatenate([each[output] for each in alone]), given[output])

    answers_are_equal()


@pytest.mark.parametrize("name", ["xgboost.XGBRegressor", "lightgbm.LGBMRegressor", "sklearn.linear_model.Ridge"])
def test_zeros_of_sparse_rows_are_as_the_estimator_takes_them(name: str) -> None:
    random = np.random.default_rng(4)
    frame = rides(300).assign(day=random.choice([f"d{number}" for number in range(40)], 300))
    target = frame.day.str[1:].astype(int) + frame.hum + random.normal(0, 0.1, 300)
    built = build_pipeline(build_estimator(model_of(name, "regression")), FEATURES).fit(frame, target)
    assert built[0].sparse_output_
    model = compiled(built)
    assert model
    table = table_of(frame, model)
    assert agrees(model.predict(table), np.asarray(built.predict(frame)), model.terms(table)).all()


@pytest.mark.parametrize(("kind", "classes"), [("regression", 0), ("classification", 2), ("classification", 3)])
def test_trees_of_lightgbm_have_its_own_bits(kind: Kind, classes: int) -> None:
    if kind == "regression":
        pipeline = fitted("lightgbm.LGBMRegressor", kind, parameters=(("objective", "poisson"),))
    else:
        pipeline = fitted("lightgbm.LGBMClassifier", kind, classes)
    model, frame = compile_pipeline(pipeline), rides(1_000, 3)
    answer = "predict_proba" if classes else "predict"
    given = getattr(model, answer)(table_of(frame, model))
    assert np.array_equal(given, getattr(pipeline, answer)(frame))


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_a_blend_answers_the_weighted_mean_of_its_members(kind: Kind) -> None:
    names = {
        "regression": ("sklearn.linear_model.Ridge", "sklearn.ensemble.HistGradientBoostingRegressor"),
        "classification": ("sklearn.linear_model.LogisticRegression", "sklearn.ensemble.RandomForestClassifier"),
    }[kind]
    members = {name: fitted(name, kind, 3) for name in names}
    blend = blended(members, np.array([0.3, 0.7]))
    model, frame = compile_pipeline(blend), rides(50, 3)
    table = table_of(frame, model)
    if kind == "classification":
        assert model.predict(table).tolist() == blend.predict(frame).tolist()
        assert np.allclose(model.predict_proba(table), blend.predict_proba(frame), rtol=RELATIVE, atol=1e-12)
    else:
        assert np.allclose(model.predict(table), blend.predict(frame), rtol=RELATIVE, atol=1e-10)
