"""The shipped months, how they arrive, and a model's error on them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.metrics import mean_squared_error, r2_score

DATA = Path(__file__).with_name("data")


@dataclass(frozen=True)
class Error:
    """How far predictions are from what was rented: mean squared error, and share of the variance explained."""

    mse: float
    r2: float


def of_month(month: str) -> pd.DataFrame:
    """The rows of a month such as 2011-06, the oldest first."""
    return pd.read_parquet(DATA / f"{month}.parquet")


def arrive(months: Sequence[str], folder: Path) -> int:
    """The files of the months are in the folder, each whole from the first moment on; how many rows they hold."""
    for month in months:
        part = shutil.copy(DATA / f"{month}.parquet", folder / f"{month}.part")
        Path(part).rename(folder / f"{month}.parquet")
    return sum(len(of_month(month)) for month in months)


def key_of(hour: pd.Timestamp) -> str:
    """By which a prediction and what was rented in that hour are joined."""
    return f"{hour:%Y-%m-%dT%H:%M}"


def count(months: Sequence[str], folder: Path) -> Path:
    """The file says how many bikes were rented in each hour of the months."""
    folder.mkdir(exist_ok=True)
    rows = pd.concat(map(of_month, months))
    part, file = folder / "counted.part", folder / f"{months[0]}.csv"
    pd.DataFrame({"asked_for": rows["hour"].map(key_of), "bikers": rows["bikers"]}).to_csv(part, index=False)
    return part.rename(file)


def error(rows: pd.DataFrame, predictions: Sequence[float]) -> Error:
    """The error of one prediction for each row, in the order of the rows."""
    truth = rows["bikers"]
    return Error(float(mean_squared_error(truth, predictions)), float(r2_score(truth, predictions)))
