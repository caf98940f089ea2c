"""The parser takes what the contract takes, and nothing else."""

import json
from typing import Any

import pytest

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import CheckTask, ServeTask, TrainTask, ValidateTask, WorkTask, parse_task
from tests.trainer.tasks import ABSENT, TASK, Json, a_check, a_training, a_validation, changed

SHA = "a" * 64
TRAINED = {
    "artifact": {"uri": "s3://models/v1/model.joblib", "sha256": SHA},
    "data": {"holdoutUri": "s3://models/v1/holdout.parquet", "holdoutSha256": SHA},
}
SEARCH = {"method": "random", "space": {"alpha": [1]}, "folds": 5, "iterations": 20}
TRAIN = a_training("s3://data/*.csv", "s3://models/v1", data__timeColumn="day", search=SEARCH | {"scoring": "r2"})
TRAIN |= {"live": {"name": "progression-v0", "uri": "s3://models/v0/model.joblib", "sha256": SHA}, "knownRows": SHA}
TRAIN["engine"] = {"dask": {"workers": 4}}
WORK = {key: TRAIN[key] for key in ("namespace", "modelDeployment", "version")}
WORK |= {"task": "work", "scheduler": "tcp://10.0.0.7:8786"}
LIVE = {"name": "progression-v0", "uri": "s3://models/v0/model.skops", "sha256": SHA}
VALIDATE = a_validation(TRAIN, TRAINED, LIVE, against={"metric": "mse", "confidence": 0.95})
VALIDATE |= {"slices": [{"column": "sex", "metric": "mse"}]}
CHECK = a_check(TRAIN, TRAINED, "gs://data/live", data__timeColumn="day", data__window="24h")
SERVE = {
    **{key: TRAIN[key] for key in ("namespace", "modelDeployment", "version", "model")},
    "task": "serve",
    "artifact": LIVE,
    "port": 8080,
}


@pytest.mark.parametrize(
    ("task", "kind"),
    [(TRAIN, TrainTask), (VALIDATE, ValidateTask), (CHECK, CheckTask), (SERVE, ServeTask), (WORK, WorkTask)],
)
def test_every_field_of_the_contract_is_read(task: Json, kind: type) -> None:
    TASK.validate(task)
    assert isinstance(parse_task(json.dumps(task)), kind)


@pytest.mark.parametrize(
    ("task", "optional"),
    [
        (TRAIN, ["live", "knownRows", "search", "search__scoring", "engine", "data__timeColumn"]),
        (VALIDATE, ["live", "against", "slices"]),
        (CHECK, ["data__timeColumn"]),
    ],
)
def test_what_the_contract_leaves_open_may_be_left_out(task: Json, optional: list[str]) -> None:
    for path in optional:
        less = changed(task, **{path: ABSENT})
        TASK.validate(less)
        parse_task(json.dumps(less))


WRONG: list[tuple[Json, str, Any]] = [
    *[(TRAIN, path, ABSENT) for path in ("namespace", "model", "model__target", "data__minRows", "storage")],
    *[(task, "surprise", 1) for task in (TRAIN, VALIDATE, CHECK, SERVE)],
    (TRAIN, "model__surprise", 1),
    (TRAIN, "data__surprise", 1),
    (TRAIN, "storage", "/no/scheme"),
    (TRAIN, "namespace", ""),
    (TRAIN, "namespace", "n" * 64),
    (TRAIN, "model__format", "pickle"),
    (TRAIN, "model__task", "ranking"),
    (TRAIN, "data__window", "90 days"),
    (TRAIN, "data__window", 0),
    (TRAIN, "data__window", True),
    (TRAIN, "data__holdout", 0),
    (TRAIN, "data__holdout", 1),
    (TRAIN, "data__maxMissing", 1.1),
    (TRAIN, "data__minRows", 0),
    (TRAIN, "data__cleaning__outliers", "hide"),
    (TRAIN, "search__folds", 1),
    (TRAIN, "search__space", {}),
    (TRAIN, "search__space", {"alpha": []}),
    (TRAIN, "search__iterations", 0),
    (TRAIN, "calibration", "platt"),
    (TRAIN, "live__uri", "/no/scheme"),
    (TRAIN, "knownRows", "abc"),
    (VALIDATE, "slices", [{"column": "sex"}]),
    (VALIDATE, "slices", [{"column": "sex", "metric": "r2"}]),
    (VALIDATE, "candidate__sha256", "abc"),
    (VALIDATE, "against__confidence", 0.5),
    (VALIDATE, "against__confidence", 1),
    (CHECK, "data__window", "1w"),
    (SERVE, "port", 0),
    (SERVE, "port", "8080"),
]


@pytest.mark.parametrize(("task", "path", "value"), WRONG)
def test_error_names_the_field_that_breaks_the_contract(task: Json, path: str, value: Any) -> None:
    bad = changed(task, **{path: value})
    assert not TASK.is_valid(bad)
    with pytest.raises(RejectedTask) as refused:
        parse_task(json.dumps(bad))
    assert refused.value.reason == "InvalidTask"
    assert path.split("__")[-1] in refused.value.message
