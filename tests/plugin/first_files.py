"""Files as people who are new to Perennial have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes

DIRT = ("n/e", "", "-", "?")


def diabetes(folder: Path) -> Path:
    """442 rows of numbers."""
    table = load_diabetes(as_frame=True, scaled=False).frame
    return _written(table.rename(columns={"target": "progression"}), folder / "diabetes.csv")


def cancer(folder: Path) -> Path:
    """569 rows with an id, 30 measures and two classes of text."""
    data = load_breast_cancer(as_frame=True)
    table = data.frame.drop(columns="target").rename(columns=lambda name: name.replace(" ", "_"))
    table["diagnosis"] = np.where(data.target == 0, "malignant", "benign")
    table.insert(0, "patient", np.arange(len(table)) + 8000)
    return _written(table, folder / "cancer.csv")


def rents(folder: Path) -> Path:
    """600 rows as a German spreadsheet writes them: semicolons, decimal commas, days first, accents."""
    random, count = np.random.default_rng(3), 600
    area, age = random.normal(80, 15, count).round(1), random.integers(0, 90, count)
    town = random.choice(["Köln", "Bonn", "Aachen"], count)
    rent = (300 + 9 * area - age + 80 * (town == "Köln") + random.normal(0, 25, count)).round(2)
    day = pd.date_range("2023-01-01", periods=count, freq="D").strftime("%d.%m.%Y")
    table = pd.DataFrame({"Datum": day, "Fläche": area, "Alter": age, "Ort": town, "Land": "DE", "Miete": rent})
    return _written(table, folder / "mieten.csv", sep=";", decimal=",", encoding="cp1252")


def prices(folder: Path, count: int = 1500) -> Path:
    """Hourly prices, some cells of which are empty or have a word or a sign."""
    random = np.random.default_rng(4)
    at = pd.date_range("2025-01-01", periods=count, freq="h")
    load = 50 + 10 * np.sin(at.hour / 24 * 2 * np.pi) + random.normal(0, 3, count)
    wind = random.gamma(2, 5, count)
    price = 20 + 0.9 * load - 0.8 * wind + random.normal(0, 4, count)
    numbers = pd.DataFrame({"hour": at.hour, "load": load, "wind": wind, "price": price}).round(2)
    table = numbers.astype(object).assign(
        time=at.strftime("%Y-%m-%d %H:%M"), zone=random.choice(["north", "south"], count)
    )
    for column, dirty in (("load", 12), ("wind", 20), ("price", 10)):
        table.loc[random.integers(0, count, dirty), column] = random.choice(DIRT, dirty)
    return _written(table[["time", "hour", "load", "wind", "zone", "price"]], folder / "prices.csv")


def tickets(folder: Path) -> Path:
    """400 short texts of two kinds, and nothing else: each kind has words of its own."""
    random, count = np.random.default_rng(5), 400
    urgent = random.random(count) < 0.4
    words = {True: ["broken", "smoke", "stopped", "leaks"], False: ["invoice", "address", "question", "thanks"]}
    common = ["the", "machine", "we", "bought", "last", "year", "please", "help"]
    texts = [" ".join(random.choice(common + words[bool(each)], 9)) for each in urgent]
    table = pd.DataFrame({"ticket": texts, "kind": np.where(urgent, "urgent", "usual")})
    return _written(table, folder / "tickets.csv")


def trips(folder: Path) -> Path:
    """1,200 hours of a town's trips, of which nothing but the time is known; there are more of them since a day in the middle."""
    random, at = np.random.default_rng(6), pd.date_range("2025-03-01", periods=1200, freq="h")
    mean = 60 + 40 * np.sin((at.hour - 7) / 12 * np.pi) - 25 * (at.day_of_week >= 5) + 40 * (np.arange(1200) >= 500)
    written = at.strftime("%d.%m.%Y %H:%M")
    table = pd.DataFrame({"when": written, "trips": (mean + random.normal(0, 8, len(at))).round(1)})
    return _written(table, folder / "trips.csv")


def _written(table: pd.DataFrame, path: Path, **how: str) -> Path:
    table.to_csv(path, index=False, **how)  # type: ignore[call-overload]
    return path
