"""A report page shows what was measured, no value of a row, and loads nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

from perennial_trainer.contract.task import Features
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.pipeline import build_pipeline, fit
from perennial_trainer.reporting import html
from perennial_trainer.reporting.figures import WIDTH, Figure, bar_chart, column_chart, heat_map
from perennial_trainer.reporting.prediction_figures import draw_predictions
from perennial_trainer.validation.importance import permutation_importances
from perennial_trainer.validation.slices import measure_slices
from tests.trainer.tasks import Frame, Json, Trainer, a_training, a_validation, a_version, diabetes, written

EVIL = """<img src=x onerror="alert(1)">'&{{ 7 * 7 }}"""
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
        bar_chart(EVIL, [(EVIL, [1, 2])], [EVIL, EVIL], EVIL),
        column_chart(EVIL, [EVIL], {EVIL: [1], "other": [2]}, EVIL),
        heat_map(EVIL, [EVIL], [EVIL], [[1]], EVIL, numbers=True),
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
    empty += [bar_chart("gone", [], []), column_chart("gone", [], {"one": []}), heat_map("gone", [], [], [])]
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


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(1, 3))
def test_columns_stay_inside_the_figure(values: list[float], series: int) -> None:
    labels = [str(value) for value in values]
    assert inside(column_chart("caption", labels, {str(each): values for each in range(series)}))


@given(st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3), max_size=30))
def test_cells_stay_inside_and_higher_counts_are_darker(counts: list[list[int]]) -> None:
    figure = heat_map("caption", ["down"] * len(counts), ["across"] * 3, counts, numbers=True)
    assert inside(figure)
    by_shade = sorted(zip(figure.shades, (int(mark.text) for mark in figure.marks), strict=True))
    assert [count for _, count in by_shade] == sorted(count for _, count in by_shade)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats() | st.none())
def test_regression_figures_count_every_row(truth: list[float], odd: float | None) -> None:
    answer = np.array([truth[-1] if odd is None else odd, *truth[1:]])
    against, residuals = draw_predictions({"v2": ScoredRows(np.array(truth), answer)})
    # A cell of fewer than ten rows counts as ten.
    assert len(truth) <= sum(float(mark.text) for mark in against.marks) <= 10 * len(truth)
    shares = sum(float(mark.text.rpartition(": ")[2]) for mark in residuals.marks)
    assert shares == pytest.approx(1, abs=0.01)


def test_confusion_combines_rare_classes() -> None:
    truth = np.repeat(np.arange(20), range(1, 21))
    (confusion,) = draw_predictions({"v2": ScoredRows(truth, truth, tuple(f"class {i}" for i in range(20)))})
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
        assert [value for value in metrics.values() if f"{value:.6g}" not in page] == []
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
