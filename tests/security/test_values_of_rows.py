"""Pages, status and logs name no category of a few rows, no exact extreme, and no value of the target."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.__main__ import _traceback
from perennial_trainer.data.privacy import common_names, rounded, shape
from perennial_trainer.models.scoring import message_line
from perennial_trainer.validation.slices import groups
from tests.trainer.tasks import Trainer, a_training, a_version, written


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows of common cities; with one of its own category, one extreme of a feature, one of the target."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"income": random.normal(3000, 500, rows), "city": random.choice(["Bonn", "Ulm"], rows)})
    frame["debt"] = frame["income"] * 2 + random.normal(0, 100, rows)
    return frame


ODD = [("Grace Hopper", 87654.321, 175308.642), ("Ada Lovelace", 49382.716, 98765.432), ("Bonn", -4321.987, -8643.974)]
"""Rows that follow the rule of the others, and are far from them."""


def odd(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    for row, values in enumerate(ODD):
        frame.loc[row, ["city", "income", "debt"]] = list(values)
    return frame


MODEL: dict[str, Any] = {
    "model__features": {"numeric": ["income"], "categorical": ["city"]},
    "model__target": "debt",
}


def trained(trainer: Trainer, folder: Path, frame: pd.DataFrame, **changes: Any) -> tuple[int, dict[str, Any]]:
    uri = written(frame, folder / "data.csv")
    return trainer(a_training(uri, (folder / "v").as_uri(), **MODEL, **changes))


def shown(folder: Path) -> str:
    return "".join(page.read_text() for page in folder.rglob("*.html"))


def test_training_shows_no_value_of_a_few_rows(
    trainer: Trainer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
    code, live = trained(trainer, first, people(400))
    assert code == 0, live
    code, answer = trained(trainer, second, odd(people(400, 1)), live=a_version(live))
    assert code == 0, answer
    everything = shown(tmp_path) + json.dumps(answer) + "".join(capfd.readouterr())
    assert "that the live version was not trained on" in everything  # it is reported, by its number of rows
    assert "2 with fewer than 10 rows each" in everything
    exact = [value for row in ODD for value in row if value != "Bonn"]
    texts = [text for value in exact for text in ({value} if isinstance(value, str) else {f"{value:g}", f"{value}"})]
    assert [text for text in texts if text.removeprefix("-") in everything] == []


def test_values_that_cannot_be_read_are_shown_by_their_shape(trainer: Trainer, tmp_path: Path) -> None:
    frame = people(100).astype({"debt": object})
    frame.loc[:, "debt"] = "Hopper 1906"
    code, answer = trained(trainer, tmp_path, frame)
    assert (code, answer["reason"]) == (3, "NonNumericTarget")
    assert "aaaaaa 9999" in answer["message"] and "Hopper" not in answer["message"]


@pytest.mark.parametrize("others", [1, 3])
def test_rare_class_is_counted_and_not_named(trainer: Trainer, tmp_path: Path, others: int) -> None:
    """One is left out as a mistake, and three are trained on."""
    frame = people(400)
    frame["debt"] = np.where(frame["income"] > 3000, "rich", "poor")
    frame.loc[: others - 1, "debt"] = "Grace Hopper"
    code, answer = trained(trainer, tmp_path, frame, **CLASSIFIER)
    assert code == 0, answer
    assert "classes with fewer than 10 rows: 1" in json.dumps(answer)
    assert "Grace Hopper" not in shown(tmp_path) + json.dumps(answer)
    assert "rich" in shown(tmp_path)


def test_refused_positive_class_names_no_rare_class(trainer: Trainer, tmp_path: Path) -> None:
    frame = people(400)
    frame["debt"] = np.where(frame["income"] > 3000, "rich", "poor")
    frame.loc[:8, "debt"] = "Grace Hopper"
    code, answer = trained(trainer, tmp_path, frame, **CLASSIFIER, model__positiveClass="Rich")
    assert (code, answer["reason"]) == (3, "UnknownPositiveClass")
    assert "poor, rich and 1 with fewer than 10 rows each" in answer["message"]


def test_first_row_of_a_file_without_header_is_not_shown(trainer: Trainer, tmp_path: Path) -> None:
    people(100).assign(city="Grace Hopper").to_csv(tmp_path / "data.csv", index=False, header=False)
    code, answer = trainer(a_training((tmp_path / "data.csv").as_uri(), (tmp_path / "v").as_uri(), **MODEL))
    assert (code, answer["reason"]) == (3, "MissingColumn")
    assert "3 other columns" in answer["message"] and "Hopper" not in answer["message"]


CLASSIFIER = {"model__task": "classification", "model__estimator": "sklearn.linear_model.LogisticRegression"}


def test_limits_of_groups_are_rounded_and_differ() -> None:
    names = [name for name, _ in groups(pd.Series([1234.567, 1240.1, 1250.9, 99999.99] * 20))]
    assert len(names) == 4 and not any("1234.567" in name or "99999" in name for name in names)


def test_wording_of_values_says_little() -> None:
    assert [rounded(number) for number in (87654.321, 0.03567, 42.42)] == ["88,000", "0.036", "42"]
    assert common_names({"Bonn": 40, "Ulm": 3, "Hof": 1}, 5) == "Bonn and 2 with fewer than 10 rows each"
    assert common_names({"Bonn": 40}, 5) == "Bonn"
    assert shape("2026-13-45 Hopper_é") == "9999-99-99 aaaaaa_a"
    error = ValueError("could not convert string to float: 'Grace Hopper'")
    assert message_line(error) == "could not convert string to float: …"


def test_unexpected_error_is_logged_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        raise KeyError("Grace Hopper")
    except KeyError as error:
        text = _traceback(error)
        assert "Grace" not in re.sub(r"raise KeyError.*", "", text) and text.endswith("KeyError")
        monkeypatch.setenv("PERENNIAL_SHOW_VALUES", "1")
        assert _traceback(error).endswith("KeyError: 'Grace Hopper'")
