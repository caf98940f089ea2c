"""`init`: a manifest from a file alone, which `try` shows to go live at the first try."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from kubectl_perennial.__main__ import main
from kubectl_perennial.commands.init import _places
from kubectl_perennial.simulation.drafting.choice import Measured
from kubectl_perennial.simulation.drafting.columns import kinds_of
from kubectl_perennial.simulation.drafting.draft import _thresholds
from kubectl_perennial.simulation.drafting.table import TextTable
from kubectl_perennial.simulation.drafting.times import time_column_of
from perennial_trainer.metrics.computation import Measurement
from tests.plugin import first_files
from tests.plugin.golden import compare


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["kubectl-perennial", *words])
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")
    return main()


@pytest.mark.parametrize(
    ("write", "target"),
    [
        (first_files.diabetes, "progression"),
        (first_files.cancer, "diagnosis"),
        (first_files.rents, "Miete"),
        (first_files.prices, "price"),
        (first_files.trips, "trips"),
        (first_files.tickets, "kind"),
    ],
    ids=["diabetes", "cancer", "rents", "prices", "trips", "tickets"],
)
def test_draft_goes_live_at_the_first_try(
    write: Callable[[Path], Path],
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = write(Path())
    assert run(monkeypatch, "init", str(rows), "--target", target) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    compare(f"init-{rows.stem}", shown.out)
    Path("model.yaml").write_text(shown.out)
    assert run(monkeypatch, "try", "model.yaml", str(rows), "--folder", "trial") == 0
    measured = re.search(r"(r2|accuracy) [0-9.]+", shown.out)
    tried = " ".join(capsys.readouterr().out.split())
    assert measured and measured[0] in tried  # as a training measures it
    assert "answered a request with status 200" in tried
    after = list(yaml.safe_load_all(Path("trial/manifest.yaml").read_text()))
    assert after == list(yaml.safe_load_all(shown.out))  # try has nothing to add


def kind(values: list[Any], name: str = "column", target: list[str] | None = None) -> str:
    """What the column of these values is, beside a feature of numbers."""
    count = len(values)
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            name: pd.Series(values, dtype="str"),
            "other": pd.Series(random.normal(size=count).round(3).astype(str), dtype="str"),
            "y": pd.Series(target or random.normal(size=count).round(3).astype(str), dtype="str"),
        }
    )
    kinds = kinds_of(TextTable(frame, count, {}), "y")
    if name in kinds.text:
        return "text"
    if kinds.time and kinds.time.name == name:
        return kinds.time.time_format or "ISO 8601"
    return "numeric" if name in kinds.numeric else "categorical" if name in kinds.categorical else kinds.left_out[name]


NUMBERS = range(200)


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ([f"{n * 7 % 31},5" for n in NUMBERS], "column", "numeric"),
        ([str(n * 7 % 31) for n in NUMBERS], "column", "numeric"),
        (["n/e", "?"] * 15 + [str(n) for n in NUMBERS[:170]], "column", "numeric"),
        (["red", "green"] * 100, "column", "categorical"),
        ([f"0{n % 9}067" for n in NUMBERS], "postcode", "categorical"),
        ([str(n + 8000) for n in NUMBERS], "column", "every row has its own number"),
        ([str(n * n + 5) for n in NUMBERS], "customer_id", "every row has its own number"),
        ([f"name {n}" for n in NUMBERS], "column", "almost every row has its own value"),
        ([f"we like the number {n}" for n in NUMBERS], "column", "text"),
        ([f"we like number {n % 9} best" for n in NUMBERS], "column", "categorical"),
        (["DE"] * 200, "column", "it has the same value in every row"),
        ([None] * 200, "column", "it has no value"),
        ([None] * 150 + [str(n) for n in range(50)], "column", "75% of its values are missing"),
        ([f"\x1b[{n % 9}m" for n in NUMBERS], "column", "its values have control characters"),
        ([f"2026-01-{n % 28 + 1:02} 10:00" for n in NUMBERS], "column", "ISO 8601"),
        ([f"{n % 28 + 1:02}.01.2026" for n in NUMBERS], "column", "%d.%m.%Y"),
        ([f"01/{n % 28 + 1:02}/2026 10:30" for n in NUMBERS], "column", "%m/%d/%Y %H:%M"),
        ([f"1/{n % 28 + 1}/2026 {n % 12 + 1}:30 PM" for n in NUMBERS], "column", "%m/%d/%Y %I:%M %p"),
        ([str(1_700_000_000 + 3600 * n) for n in NUMBERS], "created_at", "epoch-s"),
        ([str(20260100 + n % 28 + 1) for n in NUMBERS], "date", "yyyymmdd"),
    ],
)
def test_column_is_recognised_by_its_values(values: list[Any], name: str, expected: str) -> None:
    assert kind(values, name) == expected


@pytest.mark.parametrize(
    ("hours", "parts"),
    [
        (range(100), ()),
        (range(200), ("hour",)),
        (range(0, 24 * 60, 24), ("dayOfWeek",)),
        (range(0, 24 * 365, 6), ("hour", "dayOfWeek")),
        (range(0, 24 * 800, 7 * 24), ("month",)),
    ],
)
def test_parts_of_a_time_are_those_that_come_again(hours: range, parts: tuple[str, ...]) -> None:
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(list(hours), unit="h")
    column = time_column_of("at", pd.Series(times.strftime("%Y-%m-%d %H:%M"), dtype="str"))
    assert column and column.parts == parts


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (["yes", "no"] * 100, "classification"),
        (["0", "1"] * 100, "classification"),
        ([str(n % 6) for n in NUMBERS], "classification"),
        ([str(n % 90) for n in NUMBERS], "regression"),
        ([f"{n % 4}.5" for n in NUMBERS], "regression"),
    ],
)
def test_task_is_that_of_the_target(target: list[str], task: str) -> None:
    frame = pd.DataFrame({"x": [f"{n * 7 % 31}" for n in NUMBERS], "y": target}, dtype="str")
    assert kinds_of(TextTable(frame, 200, {}), "y").task == task


@pytest.mark.parametrize(("baseline", "limits"), [(0.25, [{"metric": "accuracy", "min": 0.39}]), (0.45, [])])
def test_a_limit_that_chance_would_meet_is_none(baseline: float, limits: list[dict[str, Any]]) -> None:
    measured = Measured({"accuracy": Measurement(0.5)}, {"accuracy": Measurement(baseline)}, 200, 0)
    assert list(_thresholds({"model": {"task": "classification"}}, measured)) == limits


HEAD, ROW = "x,word,y\n", "{n},blue,{y}\n"


def rows(count: int, y: str = "{n}") -> str:
    return HEAD + "".join(ROW.format(n=n * 7 % 31, y=y.format(n=n * 3 % 17)) for n in range(count))


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        (rows(300), "price", "column price is missing; the columns are x, word, y: correct --target"),
        (rows(300).replace(",", ";"), "price", "the columns are x, word, y"),
        ("", "y", "rows.csv is empty: write a header and rows"),
        (HEAD, "y", "rows.csv holds no row: write rows below the header"),
        (rows(1), "y", "1 rows are too few to prove a model: collect 100 at least"),
        (rows(10), "y", "10 rows are too few"),
        (rows(300, "5"), "y", "the target y has 1 value in 300 rows: there is nothing to learn"),
        (np.random.default_rng(0).bytes(5000), "y", "UnreadableFile"),
        (rows(300).replace("x,", "\x1b[31mx,", 1), "y", "no column is left to learn y from"),
        (HEAD + "".join(f"{n % 7},blue,name {n}\n" for n in range(300)), "y", "is text with 300 values in 300 rows"),
        (
            "y\n" + "1\n2\n" * 200,
            "y",
            "no column is left to learn y from (the file has no other): give a file with feat",
        ),
        (
            "perennial.x,y\n" + "1,2\n2,3\n" * 200,
            "y",
            "(perennial.x: names that begin with perennial. are those of cap",
        ),
        (None, "y", "rows.csv does not exist: correct the name"),
    ],
)
def test_bad_file_is_an_error_in_one_sentence(
    content: str | bytes | None,
    target: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / "rows.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run(monkeypatch, "init", str(tmp_path / "rows.csv"), "--target", target) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ") and message in shown.err and shown.err.count("\n") == 1
    assert shown.out == "" and shown.err[:-1].isprintable()


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_columns_of_lists_and_objects_are_left_out(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(first_files.diabetes(tmp_path))
    table["visits"], table["address"] = [[1, 2]] * len(table), [{"town": "Bonn"}] * len(table)
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    else:
        table.to_json(path, orient="records", lines=True)
    assert run(monkeypatch, "init", str(path), "--target", "progression") == 0
    shown = " ".join(capsys.readouterr().out.replace("#  ", "").split())
    for name in ("visits", "address"):
        assert f"# left out {name}: a row has several values of it: write each as a column of its own" in shown


def test_form_of_numbers_can_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    x, z = random.integers(1000, 9999, (2, 400))
    table = np.stack([x, z, 3 * x + 2 * z + random.integers(-500, 500, 400)], axis=1)
    lines = [";".join(f"{number // 1000}.{number % 1000:03}" for number in row) for row in table]
    (tmp_path / "rows.csv").write_text("\n".join(["x;z;y", *lines]))
    words = ["init", str(tmp_path / "rows.csv"), "--target", "y", "--decimal", ","]
    assert run(monkeypatch, *words, "--thousands", ".") == 0
    (manifest, _) = yaml.safe_load_all(capsys.readouterr().out)
    assert manifest["spec"]["data"]["csv"] == {"separator": ";", "decimal": ",", "thousands": "."}
    assert run(monkeypatch, *words, "--thousands", ",") == 1
    assert capsys.readouterr().err.startswith("error: --decimal and --thousands: ")


@pytest.mark.parametrize(
    ("name", "source", "uri"),
    [
        ("rows.csv", "--from-file=rows.csv", "*.csv"),
        ("My rows v1.2 ü.CSV", "--from-file='rows.CSV=My rows v1.2 ü.CSV'", "*.CSV"),
        ("rows-of-a-long-name.csv.gz", "--from-file=rows-of-a-long-name.csv.gz", "*.csv.gz"),
    ],
)
def test_the_command_for_the_rows_works_as_it_is(
    name: str, source: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    places, (note,), _ = _places(Namespace(uri=None, data=name, storage=None), "model")
    assert note.startswith("the rows: kubectl create configmap model-rows " + source)
    assert places.training == {"uri": f"file:///data/{uri}"}


def test_places_of_the_cluster_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = first_files.diabetes(tmp_path)
    table = pd.read_csv(path)
    table.assign(twice=2 * table.progression).to_csv(path, index=False)
    words = ["--target", "progression", "--uri", "s3://rows/*.csv", "--storage", "s3://models", "--name", "sugar"]
    assert run(monkeypatch, "init", str(path), *words) == 0
    shown = capsys.readouterr().out
    (manifest,) = yaml.safe_load_all(shown)
    assert (manifest["metadata"]["name"], manifest["spec"]["storage"]) == ("sugar", {"uri": "s3://models"})
    assert manifest["spec"]["data"]["training"] == {"uri": "s3://rows/*.csv"} and "training" not in manifest["spec"]
    assert "twice" not in manifest["spec"]["model"]["features"]["numeric"] and "# left out twice: it" in shown
