"""The shipped data are what their README says."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tests.demo.rides import DATA

README = (DATA / "README.md").read_text()
MONTHS = re.findall(r"^\| (2011-\d\d)\.parquet \| (\d+) \| (\d+) \| (\d+) \|$", README, re.MULTILINE)


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file) for file in sorted(DATA.glob("*.parquet"))], ignore_index=True)


def test_the_files_are_those_of_the_readme() -> None:
    assert sorted(DATA.glob("*.parquet")) == [DATA / f"{month}.parquet" for month, *_ in MONTHS]
    assert [month for month, *_ in MONTHS] == [f"2011-{number:02}" for number in range(1, 13)]


@pytest.mark.parametrize(("month", "rows", "gaps", "bikes"), MONTHS)
def test_a_month_has_the_hours_and_bikes_of_the_readme(month: str, rows: str, gaps: str, bikes: str) -> None:
    table = pd.read_parquet(DATA / f"{month}.parquet")
    hours = pd.date_range(month, periods=pd.Period(month).days_in_month * 24, freq="h")
    assert set(table["hour"]) <= set(hours)
    assert (len(table), len(hours) - len(table), table["bikers"].sum()) == (int(rows), int(gaps), int(bikes))


def test_columns_are_those_of_the_readme_without_a_leak(year: pd.DataFrame) -> None:
    described = re.findall(r"^\| (\w+) \|", README.partition("## Columns")[2], re.MULTILINE)
    assert list(year.columns) == described[1:]
    assert year.drop(columns=["hour", "weathersit"]).corr()["bikers"].drop("bikers").abs().max() < 0.9


def test_no_value_is_missing_and_hours_increase(year: pd.DataFrame) -> None:
    assert year.notna().all(axis=None)
    assert year["hour"].is_monotonic_increasing
    assert year["hour"].is_unique


def test_the_calendar_columns_agree_with_the_time(year: pd.DataFrame) -> None:
    sunday_first = (year["hour"].dt.day_of_week + 1) % 7
    assert (year["hr"] == year["hour"].dt.hour).all()
    assert (year["weekday"] == sunday_first).all()
    assert (year["workingday"] == (sunday_first.between(1, 5) & (year["holiday"] == 0))).all()
    assert year.groupby("season")["hour"].agg(lambda of: of.dt.day_of_year.nunique()).tolist() == [90, 92, 94, 89]


def test_the_measures_are_in_their_ranges(year: pd.DataFrame) -> None:
    assert year[["temp", "atemp", "hum", "windspeed"]].apply(lambda of: of.between(0, 1)).all(axis=None)
    assert year["bikers"].gt(0).all()
    assert set(year["weathersit"]) == set(re.findall(r"clear|cloudy/misty|light rain/snow|heavy rain/snow", README))
