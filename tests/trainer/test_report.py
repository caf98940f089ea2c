"""A report page shows what was measured, no value of a row, and loads nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

from perennial_trainer.contract.task import Features, Model
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.pipeline import build_pipeline, fit
from perennial_trainer.reporting import html
from perennial_trainer.reporting.drawing.axis import Axis, round_axis, tick_text
from perennial_trainer.reporting.drawing.bars import bar_chart
from perennial_trainer.reporting.drawing.columns import Spread, column_chart
from perennial_trainer.reporting.drawing.curves import share_chart, trend_chart
from perennial_trainer.reporting.drawing.figures import WIDTH, Figure
from perennial_trainer.reporting.drawing.grids import count_table, heat_map
from perennial_trainer.reporting.model_card import _model
from perennial_trainer.reporting.numbers import shown
from perennial_trainer.reporting.prediction_figures import draw_predictions
from perennial_trainer.validation.details import Details
from perennial_trainer.validation.importance import permutation_importances
from perennial_trainer.validation.slices import Slice, measure_slices
from perennial_trainer.validation.validation_page import draw_slices
from tests.trainer.tasks import Frame, Json, Trainer, a_training, a_validation, a_version, diabetes, written

EVIL = """<img src=x onerror="alert(1)">'&{{ 7 * 7 }}"""
UNIT = Axis(0, 1, 0, 100, (0, 1))
VALUES = st.lists(st.floats(-1e12, 1e12) | st.none(), min_size=1, max_size=2)


class Text(HTMLParser):
    """What a reader sees, and the names of the elements."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: set[str] = set()
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def __contains__(self, words: str) -> bool:
        return words in "".join(self.words)


def test_every_text_on_the_page_is_escaped() -> None:
    parts: list[html.Section] = [
        html.Table(EVIL, [(EVIL, 1.0)], (EVIL, EVIL)),
        html.pairs_table(EVIL, {EVIL: EVIL}),
        html.Notes(EVIL, [EVIL]),
        html.Group(EVIL, [bar_chart(EVIL, [(EVIL, [1, 2])], [EVIL, EVIL], EVIL, EVIL)], EVIL),
        column_chart(EVIL, Spread((0, 1), [[1]]), [EVIL, EVIL], EVIL, EVIL),
        heat_map(EVIL, [[1]], UNIT, UNIT, (EVIL, EVIL), EVIL),
        count_table(EVIL, [EVIL], [[1]], (EVIL, EVIL), EVIL),
        trend_chart(EVIL, [(0, EVIL, 1.0)], 2.0, EVIL),
        share_chart(EVIL, {EVIL: [(0, 1)], "b": [(0, 1)]}, (EVIL, EVIL), (), EVIL),
    ]
    page = html.render_page(EVIL, EVIL, parts)
    assert "img" not in Text(page).elements
    assert b"49" not in page
    assert EVIL in Text(page)


def test_text_on_the_page_turns_no_direction() -> None:
    page = html.render_page("a\u202eb", "c\x1bd", [html.Table("e\u2066f", [("g\u200fh", 1.0)], ("i\u061cj", ""))])
    for text in ("a\ufffdb", "c\ufffdd", "e\ufffdf", "g\ufffdh", "i\ufffdj"):
        assert text in Text(page)


def test_empty_sections_are_left_out() -> None:
    empty: list[html.Section] = [html.pairs_table("gone", {}), html.Notes("gone", [])]
    empty += [bar_chart("gone", [], []), count_table("gone", [], [], ("", "")), html.Group("gone", [])]
    assert "gone" not in Text(html.render_page("title", "summary", empty))


def inside(figure: Figure) -> bool:
    return all(
        mark.x >= -1e-6
        and mark.width >= 0
        and mark.x + mark.width <= WIDTH + 1e-6
        and mark.y + mark.height <= figure.height
        for mark in figure.marks
    )


@given(st.lists(st.tuples(st.text(), VALUES), max_size=40))
@example([("the least of spans", [2.225073858507203e-309])])
def test_bars_stay_inside_the_figure(rows: list[tuple[str, list[float | None]]]) -> None:
    assert inside(bar_chart("caption", rows, ["one", "two"]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_columns_stay_inside_the_figure(values: list[float], below: float, missing: float) -> None:
    spread = Spread(range(len(values) + 1), [[value, 1 - value] for value in values], [below], (), [missing])
    assert inside(column_chart("caption", spread, ("one", "two")))


@given(st.lists(st.tuples(st.floats(), st.floats(-1e300, 1e300)), min_size=1, max_size=9), st.none() | st.floats(-9, 9))
def test_trend_stays_inside_the_figure(values: list[tuple[float, float]], limit: float | None) -> None:
    points = [(float(place), "time", value) for place, (_, value) in enumerate(values)]
    assert inside(trend_chart("caption", points, limit))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324, 0.0)
@example(-1.7e308, 1.7e308)
def test_axis_surrounds_its_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    axis = round_axis(low, high, 0.0, 100.0)
    slack = (high / 2 - low / 2) * 1e-8
    assert axis.low <= low + slack and high <= axis.high + slack
    places = [axis.at(tick) for tick in axis.ticks]
    assert places == sorted(places) and places[0] >= 0 and places[-1] <= 100 and len(places) >= 2


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 0.31, ["0", "0.1", "0.2", "0.3", "0.4"]),
        (-3, 12, ["-5", "0", "5", "10", "15"]),
        (17, 17, ["5", "10", "15", "20", "25", "30"]),
        (0, 23_000, ["0", "5,000", "10k", "15k", "20k", "25k"]),
        (0, 2.2e6, ["0", "500k", "1M", "1.5M", "2M", "2.5M"]),
        (1e-7, 4e-7, ["1e-07", "2e-07", "3e-07", "4e-07"]),
    ],
)
def test_numbers_on_an_axis_are_round(low: float, high: float, ticks: list[str]) -> None:
    assert [tick_text(tick) for tick in round_axis(low, high, 0.0, 100.0).ticks] == ticks


def test_bar_chart_has_a_zero_line() -> None:
    lines = bar_chart("caption", [("a", [-1.0]), ("b", [2.0])], ["one"]).lines
    assert [line.kind for line in lines].count("zero") == 1


@given(st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3), min_size=3, max_size=3))
def test_cells_stay_inside_and_higher_counts_are_darker(counts: list[list[int]]) -> None:
    figure = count_table("caption", ["a", "b", "c"], counts, ("down", "across"))
    assert inside(figure)
    by_shade = sorted(zip(figure.shades, (int(mark.text) for mark in figure.marks), strict=True))
    assert [count for _, count in by_shade] == sorted(count for _, count in by_shade)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats() | st.none())
def test_regression_figures_count_every_row(truth: list[float], odd: float | None) -> None:
    answer = np.array([truth[-1] if odd is None else odd, *truth[1:]])
    against, residuals = draw_predictions({"v2": ScoredRows(np.array(truth), answer)}, "cnt")
    # A cell of fewer than ten rows counts as ten.
    assert len(truth) <= sum(float(mark.text.removesuffix(" rows")) for mark in against.marks) <= 10 * len(truth)
    shares = sum(float(re.findall(r"[\d.e+-]+", mark.text)[-1]) for mark in residuals.marks)
    assert shares == pytest.approx(100, abs=20)  # each is rounded to a percent


def test_confusion_combines_rare_classes() -> None:
    truth = np.repeat(np.arange(20), range(1, 21))
    (confusion,) = draw_predictions({"v2": ScoredRows(truth, truth, tuple(f"class {i}" for i in range(20)))}, "kind")
    words = [label.text for label in confusion.labels]
    assert "class 19" in words and "class 3" not in words and "others" in words
    assert sum(int(mark.text) for mark in confusion.marks) == len(truth)


def rows_and_scored() -> tuple[Rows, ScoredRows]:
    frame = diabetes().assign(sex=lambda f: f["sex"].where(f.index % 4 > 0))
    rows = convert_rows(frame, Columns(Features(numeric=("bmi",), categorical=("sex",)), "target", "regression", None))
    return rows, ScoredRows(rows.target.to_numpy(), np.full(len(rows), 152.0))


def test_slice_has_metric_of_its_rows_and_one_for_missing() -> None:
    rows, scored = rows_and_scored()
    by_category = {each.category: each for each in measure_slices("mse", rows, scored, None)}
    assert set(by_category) == {"1", "2", "(missing)"}
    for category, each in by_category.items():
        which = rows.features["sex"].fillna("(missing)") == category
        assert each.rows == which.sum()
        assert each.candidate == pytest.approx(mean_squared_error(rows.target[which], [152.0] * each.rows))
        assert each.live is None


def test_slice_is_never_of_single_rows() -> None:
    rows, scored = rows_and_scored()
    few = rows.take(slice(0, 24))  # 6 of them missing
    worst = measure_slices("mse", few, scored.take(np.arange(442) < 24), None)
    assert all(each.rows >= 10 for each in worst)
    assert "(missing)" not in [each.category for each in worst]


def test_importance_ranks_used_features_and_is_repeatable() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: random.normal(size=6000) for name in ("idle", "little", "much")})
    frame["target"] = 3 * frame["much"] + frame["little"]
    features = Features(numeric=("idle", "little", "much"), categorical=())
    rows = convert_rows(frame, Columns(features, "target", "regression", None))
    pipeline = fit(build_pipeline(LinearRegression(), features), rows)
    ranking = permutation_importances("mse", pipeline, rows)
    assert [each.feature for each in ranking] == ["much", "little", "idle"]
    assert ranking[0].mean == pytest.approx(2 * 9, rel=0.1)  # twice the variance of what it adds
    assert ranking[2].mean == pytest.approx(0, abs=1e-9)
    assert ranking == permutation_importances("mse", pipeline, rows)


def trained(trainer: Trainer, tmp_path: Path, frame: Frame, version: str, **changes: Any) -> tuple[Json, Json]:
    uri = written(frame, tmp_path / f"data-{version}" / "a.csv")
    task = a_training(uri, (tmp_path / version).as_uri(), version=version, **changes)
    return task, trainer.done(task)


def test_version_page_has_all_sections(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes().assign(bp=1)
    _, live = trained(trainer, tmp_path, frame, "v1", model__parameters={"alpha": 100.0})
    search = {"method": "grid", "space": {"alpha": [0.5, 1.0]}, "folds": 3, "iterations": 9}
    task, candidate = trained(trainer, tmp_path, frame, "v2", search=search)
    against = {"metric": "mae", "confidence": 0.95}
    answer = trainer.done(a_validation(task, candidate, a_version(live, "v1"), against=against))
    content = (tmp_path / "v2" / "validation.html").read_bytes()
    page = Text(content)
    facts = ["v1 (live)", "mae by slice", "sex = 1", "Permutation importance", "scikit-learn", "rows kept", "Residuals"]
    assert [fact for fact in facts if fact not in page] == []
    assert "the same value in every row: bp" in page
    for metrics in (answer["metrics"]["candidate"], answer["metrics"]["live"]):
        assert [value for value in metrics.values() if shown(value) not in page] == []
    assert not re.search(rb"(src|href)=|url\(|@import|<(script|link|img|iframe|object)", content)
    stored = json.loads((tmp_path / "v2" / "validation.json").read_text())
    assert (
        stored["metric"] == "mae" and len(stored["importances"]) == 6 and stored["holdoutRows"] == answer["holdoutRows"]
    )
    assert {name: stored[name] for name in answer} == answer


def test_page_of_incomplete_version_names_missing_parts(trainer: Trainer, tmp_path: Path) -> None:
    task, candidate = trained(trainer, tmp_path, diabetes(), "v1")
    (tmp_path / "v1" / "metrics.json").unlink()
    code, answer = trainer(a_validation(task, candidate))
    assert (code, answer["reason"]) == (3, "ArtifactMissing")
    assert "metrics.json" in answer["message"]


def test_card_has_no_row_for_features_of_a_kind_without_any() -> None:
    features, estimator = Features(numeric=("bmi",), categorical=()), "sklearn.linear_model.Ridge"
    model = Model(
        framework="sklearn",
        format="joblib",
        estimator=estimator,
        task="regression",
        features=features,
        target="y",
        parameters={},
    )
    metadata: Any = SimpleNamespace(model=model, estimator=estimator, parameters={}, calibration=None)
    shown = str(_model(metadata))
    assert "numeric features" in shown and "categorical features" not in shown


def test_page_says_what_asked_for_the_training(trainer: Trainer, tmp_path: Path) -> None:
    trigger = {"reason": "Drift", "message": f"psi of bmi is 0.31, above 0.2 {EVIL}"}
    trained(trainer, tmp_path, diabetes(), "v1", trigger=trigger)
    page = Text((tmp_path / "v1" / "report.html").read_bytes())
    assert f"Asked for by Drift: {trigger['message']}." in page and "img" not in page.elements
    assert "the mean of the training rows has" in page and "mse (target²)" in page


@pytest.mark.parametrize(
    ("metric", "values", "worst"), [("mae", (1.0, 3.0, 2.0), "b"), ("accuracy", (0.9, 0.6, 0.7), "b")]
)
def test_worst_slice_comes_first(metric: str, values: tuple[float, ...], worst: str) -> None:
    slices = [Slice("group", name, 20, value, None) for name, value in zip("abc", values, strict=True)]
    details = Details(metric, ScoredRows(np.zeros(3), np.zeros(3)), None, slices, [])
    figure = draw_slices("target", details, ["v2"])
    assert figure.labels[0].text == f"group = {worst} (20 rows)"
    assert figure.note.startswith("3 groups")


def test_slice_without_a_value_comes_last() -> None:
    slices = [Slice("group", "a", 20, None, None), Slice("group", "b", 20, 0.5, None)]
    details = Details("accuracy", ScoredRows(np.zeros(3), np.zeros(3)), None, slices, [])
    assert [each.text for each in draw_slices("target", details, ["v2"]).labels if "=" in each.text] == [
        "group = b (20 rows)",
        "group = a (20 rows)",
    ]


CLASSES = ("benign", "malignant")


def classified(rows: int, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> ScoredRows:
    random = np.random.default_rng(seed)
    probability = random.dirichlet(np.ones(len(classes)), rows)
    target = (probability.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)  # calibrated, by construction
    return ScoredRows(target, probability.argmax(axis=1), classes, probability)


def test_calibrated_classifier_is_on_the_line() -> None:
    _, calibration, _ = draw_predictions({"v2": classified(20_000)}, "kind")
    points = [tuple(map(float, mark.text.split(", "))) for mark in calibration.marks]
    assert len(points) == 10
    assert all(share == pytest.approx(predicted, abs=0.05) for predicted, share in points)


@pytest.mark.parametrize(
    ("versions", "classes", "curves"),
    [
        (("v2",), CLASSES, ["v2"]),
        (("v2", "v1 (live)"), CLASSES, ["v2", "v1 (live)"]),
        (("v2",), ("a", "b", "c", "d", "e"), ["a", "b", "c"]),
    ],
)
def test_curves_are_of_versions_or_of_classes(
    versions: tuple[str, ...], classes: tuple[str, ...], curves: list[str]
) -> None:
    scored = {name: classified(500, classes=classes) for name in versions}
    _, calibration, precision = draw_predictions(scored, "kind")
    assert sorted(calibration.series) == sorted(precision.series) and len(calibration.series) == len(curves)
    if len(classes) == 2:
        assert calibration.series == curves


@pytest.mark.parametrize("rows", [1, 12, 19])
def test_few_rows_have_no_curves(rows: int) -> None:
    assert len(draw_predictions({"v2": classified(rows)}, "kind")) == 1


@given(st.integers(20, 60), st.integers(0, 5))
def test_no_point_of_a_curve_is_of_fewer_than_ten_rows(rows: int, seed: int) -> None:
    scored = classified(rows, seed)
    _, calibration, precision = draw_predictions({"v2": scored}, "kind")
    assert len(calibration.marks) <= rows / 10
    assert len(precision.marks) <= rows - 9


def test_classifier_without_probabilities_has_no_curves() -> None:
    scored = classified(100)
    bare = ScoredRows(scored.target, scored.prediction, CLASSES)
    assert [figure.caption for figure in draw_predictions({"v2": bare}, "kind")] == ["Confusion"]
