"""A text is a feature by the hashes of its words: the same everywhere, and nothing of it is shown."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Text
from perennial_trainer.contract.task import Model, parse_task
from perennial_trainer.data.derived.texts import GROUPS, MOST_CHARACTERS, text_measures
from perennial_trainer.models.frameworks import sklearn_file
from perennial_trainer.models.hashed_text import HashedText, most_counts
from perennial_trainer.models.pipeline import check_encoded_size
from perennial_trainer.serve import protocol
from perennial_trainer.serve.predictor import Predictor
from perennial_trainer.training.train import _columns
from tests.trainer.tasks import Frame, Json, Trainer, a_check, a_training, a_validation, a_version, written

GOOD, BAD, USUAL = ("superb", "lovely", "splendid"), ("dreadful", "broken", "filthy"), ("room", "bed", "view", "price")


def reviews(rows: int = 600, others: tuple[str, ...] = USUAL) -> Frame:
    """Reviews whose words say how good they are; one in twenty has no text."""
    generator = np.random.default_rng(3)
    good = generator.random(rows) < 0.5
    words = [
        " ".join(generator.permutation([*generator.choice(others, 6), *generator.choice(GOOD if each else BAD, 2)]))
        for each in good
    ]
    stars = np.where(good, 4.5, 1.5) + generator.normal(size=rows) * 0.2
    frame = pd.DataFrame({"review": words, "nights": generator.integers(1, 9, rows), "stars": stars})
    frame.loc[::20, "review"] = None
    return frame.assign(day=pd.date_range("2026-01-01", periods=rows, freq="h"))


def training(uri: str, storage: str, text: Json | None = None, **changes: Any) -> Json:
    changes = {"data__timeColumn": "day", "model__target": "stars", "data__cleaning__missing": "impute", **changes}
    task = a_training(uri, storage, **changes)
    derived = [{"name": "weekday", "calendar": {"column": "day", "part": "dayOfWeek"}}]
    task["model"]["features"] = {
        "numeric": ["nights"],
        "categorical": [],
        "text": [{"column": "review", **(text or {})}],
        "derived": derived,
    }
    return task


def answers(task: Json, trained: Json, frame: Frame) -> Any:
    model = msgspec.convert(task["model"], Model)
    predictor = Predictor(load_model(trained["artifact"]["uri"], trained["artifact"]["sha256"]), model)
    kinds = {"nights": "FP64", "review": "BYTES", "day": "BYTES"}
    values = {"day": frame["day"].astype(str), "nights": frame["nights"], "review": frame["review"]}
    inputs = [
        {
            "name": name,
            "datatype": kind,
            "shape": [len(frame)],
            "data": [None if pd.isna(each) else each for each in values[name]],
        }
        for name, kind in kinds.items()
    ]
    body = orjson.dumps({"inputs": inputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    inference = protocol.read_request(body, model.features, predictor.outputs)
    predictor.check(inference)
    return predictor.predict([inference])[0]["predict"]


@pytest.mark.parametrize("file_format", ["joblib", "skops"])
@pytest.mark.parametrize("text", [{}, {"analyzer": "character", "minNgram": 2, "maxNgram": 4, "buckets": 4096}])
def test_files_and_requests_give_the_same_predictions(
    trainer: Trainer, tmp_path: Path, file_format: str, text: Json
) -> None:
    task = training(
        written(reviews(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), text, model__format=file_format
    )
    trained = trainer.done(task)
    assert trained["metrics"]["r2"] > 0.9
    recent = reviews().tail(60).reset_index(drop=True)
    error = float(((recent["stars"] - answers(task, trained, recent)) ** 2).mean())
    for suffix in ("csv", "parquet", "jsonl"):
        path = tmp_path / suffix / f"a.{suffix}"
        if suffix == "jsonl":
            path.parent.mkdir()
            recent.to_json(path, orient="records", lines=True, date_format="iso", double_precision=15)
        checked = trainer.done(
            a_check(task, trained, path.parent.as_uri() if suffix == "jsonl" else written(recent, path))
        )
        measured = {each["name"]: each["value"] for each in checked["metrics"] if each["name"] == "mse"}
        assert measured["mse"] == pytest.approx(error, rel=1e-12), suffix


def test_the_same_rows_make_the_same_bytes(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(reviews(), tmp_path / "data" / "a.csv")
    files = [
        trainer.done(training(uri, (tmp_path / name).as_uri(), model__format="skops"))["artifact"] for name in "ab"
    ]
    assert files[0]["sha256"] == files[1]["sha256"]


def test_drift_of_a_text_is_that_of_its_length_and_words(trainer: Trainer, tmp_path: Path) -> None:
    task = training(written(reviews(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    trained = trainer.done(task)
    longer = reviews().assign(review=lambda frame: frame.review.fillna("room") + " bed" * 9)
    other = reviews(others=("Zimmer", "Bett", "Aussicht", "Preis"))
    psi = {}
    for name, recent in {"same": reviews().tail(200), "longer": longer, "other": other}.items():
        checked = trainer.done(a_check(task, trained, written(recent, tmp_path / name / "a.csv")))
        psi[name] = {each["feature"]: each["value"] for each in checked["metrics"] if each["name"] == "psi"}
    assert set(psi["same"]) == {"nights", "weekday", "review.length", "review.words"}
    assert psi["longer"]["review.length"] > 1 > 0.2 > psi["same"]["review.length"]
    assert psi["other"]["review.words"] > 1 > 0.2 > psi["other"]["review.length"]
    assert psi["same"]["review.words"] < 0.3


def test_no_file_but_the_holdout_has_a_text(trainer: Trainer, tmp_path: Path) -> None:
    frame = reviews()
    frame["review"] = frame["review"].fillna("") + " Ada Lovelace"
    first = training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), model__format="skops")
    trained = trainer.done(first)
    frame["review"] = frame["review"] + " of London"
    second = training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v2").as_uri(), version="progression-v2")
    again = trainer.done(second | {"live": a_version(trained)})
    trainer.done(a_validation(second, again, a_version(trained)))
    trainer.done(a_check(second, again, written(frame.tail(100), tmp_path / "recent" / "a.csv")))
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".csv"]
    assert {path.name for path in files if b"lovelace" in path.read_bytes().lower()} <= {"holdout.parquet"}
    assert {"profile.json", "report.html", "metrics.json", "drift.json", "validation.html"} <= {
        each.name for each in files
    }
    assert "Lovelace" not in json.dumps([trained, again])
    profile = json.loads((tmp_path / "v1" / "profile.json").read_text())["features"]
    assert set(profile["review.words"]["values"]) <= {f"group {number + 1}" for number in range(GROUPS)}


def test_importance_and_metadata_name_the_text(trainer: Trainer, tmp_path: Path) -> None:
    task = training(written(reviews(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    trainer.done(a_validation(task, trainer.done(task)))
    importances = json.loads((tmp_path / "v1" / "validation.json").read_text())["importances"]
    assert next(each["feature"] for each in importances) == "review"
    assert {each["feature"] for each in importances} == {"review", "nights", "weekday"}


@pytest.mark.parametrize(
    ("estimator", "task", "accepted"),
    [
        ("sklearn.ensemble.HistGradientBoostingRegressor", "regression", False),
        ("sklearn.gaussian_process.GaussianProcessRegressor", "regression", False),
        ("sklearn.linear_model.SGDRegressor", "regression", True),
        ("sklearn.ensemble.RandomForestRegressor", "regression", True),
    ],
)
def test_text_needs_an_estimator_of_sparse_rows(
    trainer: Trainer, tmp_path: Path, estimator: str, task: str, accepted: bool
) -> None:
    asked = training(
        written(reviews(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), model__estimator=estimator
    )
    answer = trainer(asked).answer
    assert (answer["outcome"] == "Succeeded") == accepted
    if not accepted:
        assert answer["reason"] == "TextNotSupported"
        assert "takes no sparse rows, and model.features.text review becomes 1024 columns" in answer["message"]


def test_naive_bayes_takes_the_counts() -> None:
    counts = HashedText(buckets=64).transform(pd.Series(["good good", "bad", None]))
    assert counts.shape == (3, 64)
    assert counts.min() == 0 and counts[2].nnz == 0
    assert MultinomialNB(fit_prior=False).fit(counts, [1, 0, 0]).predict(counts[:2]).tolist() == [1, 0]


def test_memory_of_texts_is_bounded_before_they_are_counted() -> None:
    text = Text(column="review", max_ngram=2, buckets=1024)
    values = pd.Series(["good day to you", "a" * 10**6, "x y " * 4000, None], dtype="str")
    assert HashedText.of(text).transform(values).nnz <= most_counts(text, values) <= 4 * 1024
    long = HashedText.of(text).transform(pd.Series(["ab " * MOST_CHARACTERS]))
    assert long.nnz == HashedText.of(text).transform(pd.Series(["ab " * (MOST_CHARACTERS // 3)])).nnz
    task = parse_task(json.dumps(training("s3://a/b.csv", "s3://c", {"buckets": 2**18, "maxNgram": 5})))
    assert task.model.features.text[0].buckets == 2**18
    with pytest.raises(RejectedTask, match="n-grams of text review in 300 rows need up to") as refused:
        _check_size(task, 300)
    assert refused.value.reason == "DataTooLarge"


def _check_size(task: Any, rows: int) -> None:
    from sklearn.linear_model import Ridge

    from perennial_trainer.data.rows import convert_rows

    frame = reviews(rows).assign(review=" ".join(f"w{number}" for number in range(3000)))
    check_encoded_size(convert_rows(frame, _columns(task)), Ridge(), 260_000_000)


def test_a_word_of_each_text_is_drawn_alike_everywhere() -> None:
    text = Text(column="note")
    measured = text_measures(text, pd.Series(["Good day", "good DAY", "", None, "!"], dtype="str"))
    assert measured["note.length"].tolist()[:3] == [2.0, 2.0, 0.0]
    assert (
        measured["note.length"].isna().tolist()
        == measured["note.words"].isna().tolist()
        == [False, False, False, True, False]
    )
    assert measured["note.words"].tolist()[4] == "no word"


@pytest.mark.parametrize(
    "state",
    [
        {"analyzer": "char"},
        {"analyzer": ["word"]},
        {"buckets": 2**31 - 1},
        {"buckets": True},
        {"min_ngram": 0},
        {"max_ngram": 10**6},
    ],
)
def test_stored_text_has_the_parameters_of_a_declaration(state: Json) -> None:
    hostile = HashedText().set_params(**state)
    content = sklearn_file.dump_skops(Pipeline([("model", hostile)]))
    loaded = sklearn_file.load_skops("s3://models/v1/model.skops", content)
    with pytest.raises(ValueError, match="not those of any declaration"):
        loaded.transform(["text"])


def test_stored_text_opens_no_file_that_a_request_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    hostile = HashedText()
    hostile.input = "filename"  # what makes scikit-learn's own class read files
    loaded = sklearn_file.load_skops("s3://m", sklearn_file.dump_skops(Pipeline([("model", hostile)])))
    assert loaded[0].input == "filename"
    named, spoken = loaded.transform([str(secret)]), loaded.transform(["password"])
    assert (named != spoken).nnz > 0
    assert (named != HashedText().transform([str(secret)])).nnz == 0
