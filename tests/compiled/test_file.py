"""The file of a compiled model: the same bytes for the same model, and no code."""

import io
from typing import Any

import numpy as np
import pytest

from perennial_trainer.compiled import file
from perennial_trainer.compiled.agreement import compiled_file, difference
from perennial_trainer.compiled.build import compile_pipeline
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.rows import convert_rows
from perennial_trainer.data.schema import Columns
from tests.compiled.pipelines import FEATURES, fitted, rides

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
