"""Writes the allow-list of skops files: `python -m tests.trainer.skops_types`, after an upgrade of scikit-learn or skops.

Every estimator that the trainer can fit is fitted to small rows, with each of its documented options in turn, with
dense and with sparse rows, calibrated and not; the list has what their files contain, and no function. It takes some
minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions

from perennial_trainer.contract.features.columns import Features, Text
from perennial_trainer.contract.task import Kind, Model
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models import calibration, estimators
from perennial_trainer.models.blend import blended
from perennial_trainer.models.frameworks import sklearn as framework
from perennial_trainer.models.frameworks import skops_types
from perennial_trainer.models.frameworks.allow_list import TRANSFORMERS, allowed_class, allowed_estimators, table_of
from perennial_trainer.models.frameworks.sklearn_file import skops_bytes, skops_nodes
from perennial_trainer.models.pipeline import build_pipeline, fit
from tests.trainer.estimators import PARAMETERS

DENSE = Features(numeric=("a", "b"), categorical=("sex",))
SPARSE = Features(numeric=(), categorical=("city",))
TEXT = Features(numeric=(), categorical=(), text=(Text(column="city"),))
QUICK = {"max_iter": 20, "n_estimators": 5}
MORE: tuple[dict[str, Any], ...] = ({"metric": "minkowski", "p": 3}, {"random_state": None})


def rows(features: Features, labels: str) -> Rows:
    """120 rows; the target is a number, or a class that is a text or a number."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=120), "b": random.normal(size=120)})
    frame["sex"], frame["city"] = random.integers(0, 3, 120), [f"city {number % 17}" for number in range(120)]
    target = {
        "regression": np.abs(2 * frame.a + frame.b) + 0.1,
        "number": (frame.a > 0).astype(int),
        "text": np.where(frame.a > 0.5, "x", np.where(frame.a > -0.5, "y", "z")),
    }[labels]
    kind: Kind = "regression" if labels == "regression" else "classification"
    return convert_rows(frame.assign(target=target), Columns(features, "target", kind, None))


def options(constraints: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each documented value of each parameter, one at a time."""
    for name, allowed in constraints.items():
        for each in allowed if isinstance(allowed, list) else ():
            match each.constraint if isinstance(each, Hidden) else each:
                case StrOptions(options=values) | Options(options=values):
                    yield from ({name: value} for value in sorted(values, key=str))
                case "boolean":
                    yield from ({name: value} for value in (True, False))
                case Interval(type=kind):
                    yield {name: 2 if kind.__name__ == "Integral" else 0.5}
                case None:
                    yield {name: None}


def literals(table: type[msgspec.Struct]) -> Iterator[dict[str, Any]]:
    """Each value of each parameter that has a list of values, one at a time."""
    for field in msgspec.structs.fields(table):
        yield from ({field.encode_name: value} for value in get_args(field.type) if isinstance(value, str))


def contents(name: str, kind: Kind, parameters: dict[str, Any], data: Rows) -> Iterator[tuple[str, str]]:
    """The nodes of the file of a pipeline with this estimator, plain and calibrated."""
    features = data.columns.features
    model = Model(
        framework="sklearn",
        format="skops",
        estimator=name,
        parameters=parameters,
        task=kind,
        features=features,
        target="target",
    )
    methods: tuple[Any, ...] = (
        (None, "sigmoid", "isotonic")
        if kind == "classification" and parameters == PARAMETERS.get(name, {})
        else (None,)
    )
    for method in methods:
        estimator = estimators.build_estimator(model)
        if method:
            estimator = calibration.calibrate(estimator, method, data)
        fitted = fit(build_pipeline(estimator, features), data)
        for pipeline in (fitted, blended({"a": fitted}, np.ones(1))):
            yield from skops_nodes(skops_bytes(pipeline))


def stored_types() -> dict[str, set[str]]:
    types: dict[str, set[str]] = defaultdict(set)
    for kind, labels in (("regression", ("regression",)), ("classification", ("text", "number"))):
        for name in allowed_estimators(kind):  # type: ignore[arg-type]
            print(name, file=sys.stderr)
            estimator_class = allowed_class(name)
            assert estimator_class
            known = set(framework.parameter_names(estimator_class))
            needed = PARAMETERS.get(name, {})
            quick = {key: value for key, value in QUICK.items() if key in known}
            table = table_of(estimator_class)
            constraints = {} if table else estimator_class._parameter_constraints
            tried = [
                needed,
                *(
                    needed | each
                    for each in (literals(table) if table else options(constraints))
                    if each.keys() <= known
                ),
                *(needed | each for each in MORE if each.keys() <= known and not table),
            ]
            if name.endswith("TransformedTargetRegressor"):
                tried += [{"transformer": {"estimator": each}} for each in TRANSFORMERS]
            for features, values in ((DENSE, tried), (SPARSE, [needed]), (TEXT, [needed])):
                for parameters in values:
                    for label in labels:
                        try:
                            for loader, type_name in contents(
                                name, kind, parameters and quick | parameters, rows(features, label)
                            ):
                                types[loader].add(type_name)
                        except Exception as error:
                            print(f"  {parameters}: {str(error)[:100]}", file=sys.stderr)
    return {loader: names for loader, names in sorted(types.items()) if loader not in skops_types.CODE}


def main() -> None:
    warnings.simplefilter("ignore")
    path = Path(skops_types.__file__)
    kept = path.read_text().partition("TYPES: ")[0]
    table = json.dumps({loader: sorted(names) for loader, names in stored_types().items()}, indent=4)
    path.write_text(f"{kept}TYPES: dict[str, list[str]] = {table}\n")
    subprocess.run([Path(sys.executable).with_name("ruff"), "format", "--quiet", path], check=True)


if __name__ == "__main__":
    main()
