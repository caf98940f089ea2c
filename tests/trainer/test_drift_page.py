"""The page of a drift check says first what the limits say, and shows no group of few rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.contract.result import DriftMetric
from perennial_trainer.contract.task import CheckTask, parse_task
from perennial_trainer.contract.thresholds import Increase, Threshold
from perennial_trainer.drift.histogram import empty_histogram
from perennial_trainer.drift.judged import Judged
from perennial_trainer.drift.page.limits import compare_with_limits, verdict
from perennial_trainer.drift.page.then_and_now import spread_figure
from perennial_trainer.drift.page.trends import trend_figures
from perennial_trainer.profiling.columns import profile_column
from tests.trainer.tasks import Json, Trainer, a_check, a_training, diabetes, written
from tests.trainer.test_report import EVIL, Text

TRAINING = a_training("file:///data", "file:///v1")
TRAINED = {"artifact": {"uri": "file:///v1/model.joblib", "sha256": "a" * 64}}
PSI, MSE = Threshold(metric="psi", max=0.2), Threshold(metric="mse", increase=Increase(baseline=100, share=0.05))
R2 = Threshold(metric="r2", min=0.5)


def a_task(*thresholds: Threshold, **changes: Any) -> CheckTask:
    import msgspec

    given = [msgspec.to_builtins(each) for each in thresholds]
    given = [{name: value for name, value in each.items() if value not in (None, [], ())} for each in given]
    task = parse_task(json.dumps(a_check(TRAINING, TRAINED, "file:///new", thresholds=given, **changes)))
    assert isinstance(task, CheckTask)
    return task


def of_psi(value: float, **fields: Any) -> DriftMetric:
    return DriftMetric(name="psi", feature="bmi", value=value, **fields)


def of(name: str, value: float) -> DriftMetric:
    return DriftMetric(name=name, value=value)


@pytest.mark.parametrize(
    ("thresholds", "values", "sentence"),
    [
        ((PSI,), (of_psi(0.31, chance=0.001),), "1 of 1 limits is exceeded: psi of bmi is 0.31, above 0.2."),
        ((PSI, R2), (of_psi(0.31), of("r2", 0.25)), "2 of 2 limits are exceeded: psi of bmi is 0.31, above 0.2; r2 is 0.25, below 0.5."),
        ((PSI, R2), (of_psi(0.1), of("r2", 0.6)), "All 2 limits hold."),
        ((PSI,), (of_psi(0.31, chance=0.2),), "All 1 limits hold; what is beyond may be chance: psi of bmi is 0.31, above 0.2."),
        ((MSE,), (of("mse", 106.0),), "1 of 1 limits is exceeded: mse is 106, above 105."),
        ((MSE, PSI), (of("mse", 104.0), None), "1 of 2 limits hold; 1 could not be checked."),
        ((R2,), (None,), "None of the 1 limits could be checked."),
        ((), (), "442 rows."),
    ],
)  # fmt: skip
def test_verdict_says_which_limits_are_exceeded(
    thresholds: tuple[Threshold, ...], values: tuple[DriftMetric | None, ...], sentence: str
) -> None:
    compared = compare_with_limits(thresholds, Judged(list(values), [], []))
    assert verdict(a_task(*thresholds), 442, compared, "442 rows") == sentence


def test_too_few_rows_decide_nothing_on_the_page() -> None:
    compared = compare_with_limits((PSI,), Judged([of_psi(0.9)], [], []))
    sentence = verdict(a_task(PSI, minSamples=200), 12, compared, "")
    assert sentence == "Only 12 rows were measured, fewer than 200: the check decides nothing."


def test_every_exceeded_value_is_compared_once() -> None:
    worst, second = of_psi(0.5), DriftMetric(name="psi", feature="age", value=0.3)
    compared = compare_with_limits((PSI, R2), Judged([worst, of("r2", 0.9)], [worst, second], []))
    assert [(each.label, each.is_breach) for each in compared] == [
        ("psi of bmi", True),
        ("psi of age", True),
        ("r2", False),
    ]


def test_trend_ends_with_this_check_and_skips_gaps() -> None:
    previous = [{"time": f"2026-11-2{day}T00:00:00Z", "values": [value]} for day, value in ((1, 0.1), (2, None))]
    task = a_task(PSI, now="2026-11-23T00:00:00Z", previous=previous)
    (figure,) = trend_figures(task, Judged([of_psi(0.3)], [], []))
    assert [mark.text for mark in figure.marks] == ["2026-11-21 00:00: 0.1", "2026-11-23 00:00: 0.3"]
    assert "limit" in [line.kind for line in figure.lines]


@pytest.mark.parametrize("changes", [{}, {"now": "2026-11-23T00:00:00Z"}])
def test_first_check_has_no_trend(changes: Json) -> None:
    assert trend_figures(a_task(PSI, **changes), Judged([of_psi(0.3)], [], [])) == []


def shares(training: list[float], recent: list[float]) -> dict[str, float]:
    values = [pd.Series(each, dtype="float64") for each in (training, recent)]
    histogram = empty_histogram(profile_column(values[0]))
    histogram.add(values[1])
    figure = spread_figure("caption", histogram, len(training), "bmi")
    return {mark.text: mark.series for mark in figure.marks} if figure else {}


NUMBERS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200)


@given(NUMBERS, NUMBERS)
def test_no_column_of_numbers_shows_fewer_than_ten_rows(training: list[float], recent: list[float]) -> None:
    rows = {0: len(training), 1: len(recent)}
    for text, series in shares(training, recent).items():
        share = float(text.rpartition(": ")[2].removesuffix("\N{NO-BREAK SPACE}%").removeprefix("> ")) / 100
        assert share >= min(1.0, 10 / rows[series]) - 0.01 or "other" in text or "missing" in text


def test_value_of_one_row_names_no_column() -> None:
    random = np.random.default_rng(0)
    texts = " ".join(shares([*random.normal(size=5000), 271.83], random.normal(size=300).tolist()))
    assert "above" in texts and "27" not in texts


def test_category_of_few_rows_has_no_name() -> None:
    histogram = empty_histogram(profile_column(pd.Series(["often"] * 90 + ["Ada"] * 9, dtype="str")))
    histogram.add(pd.Series(["often"] * 30 + ["Ada"] * 3 + ["Ben"], dtype="str"))
    figure = spread_figure("caption", histogram, 99, "name")
    assert figure and "often" in str(figure.labels) and "not in training" in str(figure.labels)
    assert "Ada" not in str(figure) and "Ben" not in str(figure)


def test_page_of_a_check_is_the_same_for_the_same_rows(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes().rename(columns={"bmi": EVIL})
    features = {"numeric": ["age", EVIL, "bp"], "categorical": ["sex"]}
    training = a_training(
        written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), model__features=features
    )
    trained = trainer.done(training)
    uri = written(frame.assign(bp=frame["bp"] + 20), tmp_path / "recent" / "b.parquet")
    thresholds = [{"metric": "psi", "max": 0.2}, {"metric": "r2", "min": 0.1}]
    pages = []
    for name in ("one", "two"):
        storage = (tmp_path / name).as_uri()
        trainer.done(a_check(training, trained, uri, thresholds=thresholds, storage=storage))
        pages.append((tmp_path / name / "report.html").read_bytes())
    assert pages[0] == pages[1]
    page = Text(pages[0])
    assert "img" not in page.elements and EVIL in page
    for words in ("1 of 2 limits is exceeded: psi of bp", "442 rows, 442 of them with a target", "% of rows"):
        assert words in page
