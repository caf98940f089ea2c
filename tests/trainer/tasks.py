"""Tasks, real data to run them on, and the trainer itself: what it is asked and answers is held to the contract."""

import base64
import json
import logging
import zlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from perennial_trainer.__main__ import main
from perennial_trainer.data.values.times import readable_times

CONTRACT = Path(__file__).parents[1] / "contract"
ABSENT: Any = object()

Frame = pd.DataFrame
Json = dict[str, Any]


def schema(name: str) -> Draft202012Validator:
    text = (CONTRACT / f"{name}.schema.json").read_text()
    return Draft202012Validator(json.loads(text), format_checker=FormatChecker())


TASK, RESULT = schema("task"), schema("result")


class Outcome(NamedTuple):
    code: int
    answer: Json


def diabetes() -> Frame:
    """442 patients; `day` orders them, `sex` is the one category (1 or 2)."""
    frame: Frame = load_diabetes(as_frame=True, scaled=False).frame
    frame["sex"] = frame["sex"].astype(int)
    return frame.assign(day=pd.date_range("2026-01-01", periods=len(frame), freq="h", tz="UTC"))


def iris() -> Frame:
    flowers = load_iris(as_frame=True)
    frame: Frame = flowers.frame
    return frame.assign(target=flowers.target_names[flowers.target])


def breast_cancer() -> Frame:
    frame: Frame = load_breast_cancer(as_frame=True).frame
    return frame


MODELS: dict[str, Json] = {
    "diabetes": {
        "estimator": "sklearn.linear_model.Ridge",
        "task": "regression",
        "features": {"numeric": ["age", "bmi", "bp", "s1", "s5"], "categorical": ["sex"]},
    },
    "iris": {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "task": "classification",
        "features": {"numeric": list(load_iris().feature_names), "categorical": []},
    },
    "breast_cancer": {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "task": "classification",
        "features": {"numeric": list(load_breast_cancer().feature_names), "categorical": []},
    },
}


def a_model(name: str = "diabetes") -> Json:
    return {"framework": "sklearn", "format": "joblib", "parameters": {}, "target": "target", **deepcopy(MODELS[name])}


def decoded(content: bytes | str) -> Any:
    """The answer, as it was before it was compressed."""
    answer = json.loads(content)
    return json.loads(zlib.decompress(base64.b85decode(answer["zlib"]))) if "zlib" in answer else answer


def a_training(uri: str, storage: str, model: str = "diabetes", **changes: Any) -> Json:
    """A train task; a change is `data__window="90d"`, or ABSENT to take a field out."""
    task = {
        "task": "train",
        "namespace": "clinic",
        "modelDeployment": "progression",
        "version": "progression-v1",
        "model": a_model(model),
        "data": {
            "uri": uri,
            "window": "all",
            "holdout": 0.2,
            "cleaning": {"missing": "drop", "duplicates": "drop", "outliers": "keep"},
            "minRows": 20,
            "maxMissing": 0.2,
        },
        "storage": storage,
    }
    return changed(task, **changes)


def a_version(trained: Json, name: str = "progression-v1") -> Json:
    return {"name": name, "uri": trained["artifact"]["uri"], "sha256": trained["artifact"]["sha256"]}


def a_validation(training: Json, trained: Json, live: Json | None = None, **changes: Any) -> Json:
    task = {
        **{key: training[key] for key in ("namespace", "modelDeployment", "version", "model")},
        "task": "validate",
        "candidate": a_version(trained, training["version"]),
        "holdout": {"uri": trained["data"]["holdoutUri"], "sha256": trained["data"]["holdoutSha256"]},
        "storage": training["storage"],
        **({"live": live} if live else {}),
    }
    return changed(task, **changes)


def a_check(training: Json, trained: Json, uri: str, **changes: Any) -> Json:
    task = {
        **{key: training[key] for key in ("namespace", "modelDeployment", "version", "model")},
        "task": "check",
        "live": a_version(trained, training["version"]),
        "data": {"uri": uri, "window": "all"},
        "storage": training["storage"] + "-check",
    }
    return changed(task, **changes)


def changed(task: Json, **changes: Any) -> Json:
    task = deepcopy(task)
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = task
        for parent in parents:
            part = part[parent]
        if value is ABSENT:
            del part[last]
        else:
            part[last] = value
    return task


def written(frame: Frame, path: Path) -> str:
    """The URI of the folder that holds the frame's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path.parent.as_uri()


class Trainer:
    """`python -m perennial_trainer`, in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.result = folder / "termination-log"
        self._monkeypatch = monkeypatch

    def __call__(self, task: Json | str, in_contract: bool = True) -> Outcome:
        """Runs the task; the task, unless it breaks the contract on purpose, and the answer are valid by it."""
        if in_contract:
            TASK.validate(task)
        text = task if isinstance(task, str) else json.dumps(task)
        self._monkeypatch.setenv("PERENNIAL_TASK", text)
        self._monkeypatch.setenv("PERENNIAL_RESULT", str(self.result))
        handlers = logging.root.handlers[:]
        try:
            code = main()
        finally:
            logging.captureWarnings(False)
            logging.root.handlers[:] = handlers
        content = self.result.read_bytes()
        assert len(content) <= 4096
        answer = decoded(content)
        RESULT.validate(answer)
        return Outcome(code, answer)

    def done(self, task: Json) -> Json:
        """The answer of a task that succeeds."""
        code, answer = self(task)
        assert (code, answer["outcome"]) == (0, "Succeeded"), answer
        return answer


def all_times(name: str, values: Any, time_format: str | None = None) -> "pd.Series[Any]":
    """The times, all of which are readable; else the refusal of a column without any readable time."""
    times, unreadable = readable_times(name, values, time_format)
    if unreadable:
        raise unreadable.refusal(len(times))
    return times


def refused(
    trainer: Trainer, folder: Path, reason: str, change: Callable[[Frame], Frame], task: Json, words: list[str]
) -> None:
    """The changed rows of patients are refused for the reason, in words that hold these, and nothing is stored."""
    uri = written(change(diabetes()), folder / "data" / "patients.csv")
    code, answer = trainer(a_training(uri, (folder / "v1").as_uri(), **task))
    assert (code, answer["outcome"], answer["reason"]) == (3, "Refused", reason), answer
    assert [word for word in words if word not in answer["message"]] == [], answer["message"]
    assert not (folder / "v1").exists()
