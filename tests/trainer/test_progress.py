"""Progress is reported rarely in a log and at once on a terminal."""

import io
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor

from perennial_trainer.contract.task import Features, Search
from perennial_trainer.data.rows import convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.progress import Progress, format_duration, progress_bar, progress_text
from perennial_trainer.training import search
from tests.trainer.tasks import diabetes


class Clock:
    """Each look at it is `step` seconds later."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (progress_text(3, 12, 80, "candidate 3 of 12"), "candidate 3 of 12, 25%, 1m20s so far, about 4m00s left"),
        (progress_text(1_000_000, None, 5), "1,000,000, 5s so far"),
        (progress_text(0, 8, 2), "0 of 8, 0%, 2s so far"),
        (progress_text(8, 8, 2), "8 of 8, 100%, 2s so far, about 0s left"),
        (progress_text(9, 8, 2), "9 of 8, 100%, 2s so far"),
        (format_duration(7503), "2h05m"),
        (format_duration(59.6), "1m00s"),
        (progress_bar(1, 2), "████████████░░░░░░░░░░░░  "),
        (progress_bar(1, None), ""),
    ],
)
def test_progress_text_shows_share_elapsed_and_remaining_time(text: str, expected: str) -> None:
    assert text == expected


@given(st.floats(0, 1e9), st.one_of(st.none(), st.floats(0, 1e9)))
def test_progress_bar_never_exceeds_its_width(done: float, total: float | None) -> None:
    assert len(progress_bar(done, total)) in (0, 26)


def test_log_gets_a_plain_progress_line_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    out = io.StringIO()
    with Progress("bootstrap, resamples", 100, out, Clock(1)) as progress:
        for _ in range(100):
            progress.advance()
    assert len(caplog.messages) == 10
    assert caplog.messages[4] == "bootstrap, resamples: 50 of 100, 50%, 50s so far, about 50s left"
    assert out.getvalue() == ""


def test_short_step_reports_no_progress(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress("search", 9, io.StringIO(), Clock(1)) as progress:
        for _ in range(9):
            progress.advance()
    assert caplog.messages == []


def test_terminal_line_is_rewritten_and_cleared_after_an_error() -> None:
    out = Terminal()
    with pytest.raises(ValueError), Progress("search", 4, out, Clock(1)) as progress:
        progress.advance(2)
        progress.advance(1)
        raise ValueError
    drawn = out.getvalue().split("\r\x1b[K")
    assert [len(re.findall("█", each)) for each in drawn] == [0, 12, 18, 0]
    assert out.getvalue().endswith("\r\x1b[K") and "\n" not in out.getvalue()


@pytest.mark.parametrize(("method", "candidates"), [("grid", 9), ("random", 5), ("halving", 13)])
def test_search_reports_progress_of_every_candidate(
    monkeypatch: pytest.MonkeyPatch, method: str, candidates: int
) -> None:
    reports: list[tuple[float, str]] = []
    monkeypatch.setattr(Progress, "advance", lambda _, part=1, detail="": reports.append((part, detail)))
    features = Features(numeric=("bmi", "bp"), categorical=())
    rows = convert_rows(diabetes(), Columns(features, "target", "regression", None))
    wanted = Search(method=method, space={"constant": [*range(0, 270, 30)]}, folds=4, iterations=5)  # type: ignore[arg-type]
    result = search.search_parameters(wanted, build_pipeline(DummyRegressor(strategy="constant"), features), rows, "r2")
    if method != "random":
        assert result.parameters == {"constant": 150}  # next to the mean, 152
    assert [detail for _, detail in reports[::4]] == [f"candidate {i + 1} of {candidates}" for i in range(candidates)]
    assert len(reports) == 4 * candidates
    if method == "halving":
        assert [part for part, _ in reports[::4]] == [1] * 9 + [3] * 3 + [9]  # ever more rows
