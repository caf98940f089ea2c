"""The file of a compiled model: the same bytes for the same model, and no code."""

import io
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from perennial_trainer.artifacts import fitted_model
from perennial_trainer.artifacts.fitted_model import model_files
from perennial_trainer.compiled import build, columns, file
from perennial_trainer.compiled.agreement import compiled_file, difference
from perennial_trainer.compiled.build import NotCompiledError, compile_pipeline
from perennial_trainer.compiled.estimators import LightGBM
from perennial_trainer.compiled.lightgbm_library import LightGBMError
from perennial_trainer.compiled.pipeline import table_of
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.memory import IDLE
from perennial_trainer.data.rows import convert_rows
from perennial_trainer.data.schema import Columns
from tests.compiled.pipelines import FEATURES, fitted, model_of, rides

SHA, OTHER = "a" * 64, "b" * 64


def holdout() -> Any:
    return convert_rows(rides(60, 2).assign(y=1.0), Columns(FEATURES, "y", "regression", None))


def forest() -> Any:
    return fitted("sklearn.ensemble.RandomForestRegressor", "regression")


def test_the_same_model_has_the_same_bytes() -> None:
    content = compiled_file(forest(), SHA, holdout())
    assert content
    again = file.encode(file.decode("x", content, SHA), SHA)
    assert again == content == compiled_file(forest(), SHA, holdout())


def test_a_model_that_answers_otherwise_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compile_pipeline(fitted("sklearn.linear_model.Ridge", "regression"))
    other = fitted("sklearn.linear_model.Lasso", "regression")
    assert "of 60 rows get another answer" in difference(model, other, holdout())
    monkeypatch.setattr("perennial_trainer.compiled.agreement.compile_pipeline", lambda _: model)
    assert compiled_file(other, SHA, holdout()) is None


@pytest.mark.parametrize("error", [RuntimeError("an unknown node"), MemoryError()])
def test_no_training_fails_since_a_model_is_not_compiled(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treelite.sklearn.import_model", Mock(side_effect=error))
    assert compiled_file(forest(), SHA, holdout()) is None


def test_a_file_too_large_for_the_memory_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("sklearn.ensemble.RandomForestRegressor", "regression")
    limit = Mock()
    monkeypatch.setattr(fitted_model, "memory_limit", limit)
    for limit.return_value, files in ((None, 2), (IDLE + 10**4, 1), (IDLE + 10**9, 2)):
        assert len(model_files(model, "model", forest(), holdout())) == files


def test_trees_do_not_get_very_wide_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MOST_COLUMNS", 6)
    compile_pipeline(fitted("sklearn.linear_model.Ridge", "regression"))
    with pytest.raises(NotCompiledError, match="trees would get 7 columns, more than 6"):
        compile_pipeline(forest())


@pytest.mark.parametrize(
    "name", ["sklearn.ensemble.RandomForestRegressor", "lightgbm.LGBMRegressor", "xgboost.XGBRegressor"]
)
def test_parts_of_the_rows_have_the_answers_of_all(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = compile_pipeline(fitted(name, "regression"))
    table = table_of(rides(60, 2), model)
    at_once = model.predict(table).tolist()
    monkeypatch.setattr(columns, "NUMBERS", 7 * 8)
    assert [len(each) for each in model.members[0].encoder.matrices(table)] == [8] * 7 + [4]
    assert model.predict(table).tolist() == at_once


def test_text_that_lightgbm_cannot_read_is_an_error() -> None:
    with pytest.raises(LightGBMError, match="number of classes"):
        LightGBM(b"no model").load()


def hostile(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "is not a compiled model"),
        (hostile(header=np.array([{"a": print}], dtype=object)), "Object arrays cannot be loaded"),
        (hostile(header=np.frombuffer(b"{}", dtype=np.uint8)), "missing required field"),
        (hostile(weights=np.zeros(1)), "is not a compiled model"),
    ],
)
def test_what_is_not_a_compiled_model_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(RejectedTask, match=message):
        file.decode("x", content, SHA)


def test_a_file_of_another_model_is_refused() -> None:
    content = compiled_file(forest(), SHA, holdout())
    assert content
    with pytest.raises(RejectedTask, match="compiled from another model"):
        file.decode("x", content, OTHER)
