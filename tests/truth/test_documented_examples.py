"""The examples of docs/data.md are read as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.times import written_time
from tests.stage import ROOT
from tests.trainer.tasks import all_times

PAGE = (ROOT / "docs" / "data.md").read_text()
LINES = re.findall(r"^\| `([^`]*[,;][^`]*)` \| (\S+) \| (\S+) \|.*\|$", PAGE, re.M)
TIMES = re.findall(r"^\| `([^`]+)` \| (?:`([^`]+)` )?\| (20\S+Z|refused).*\|$", PAGE, re.M)


def test_the_page_has_both_tables() -> None:
    assert (len(LINES), len(TIMES)) == (11, 13)


@pytest.mark.parametrize(("line", "number", "word"), LINES)
def test_line_of_a_csv_is_read_as_documented(tmp_path: Path, line: str, number: str, word: str) -> None:
    separator = ";" if ";" in line else ","
    (tmp_path / "rows.csv").write_text("\n".join([separator.join("xcy"), *[f"{line}{separator}1"] * 20]) + "\n")
    columns = Columns(Features(numeric=("x",), categorical=("c",)), "y", "regression", None)
    x, c = load_rows(tmp_path.as_uri(), columns).features.iloc[0]
    assert ["missing" if pd.isna(x) else f"{x:g}", "missing" if pd.isna(c) else c] == [number, word]


@pytest.mark.parametrize(("text", "notation", "read"), TIMES)
def test_time_is_read_as_documented(text: str, notation: str, read: str) -> None:
    if read == "refused":
        with pytest.raises(RejectedTask):
            all_times("t", [text])
    else:
        time = pd.Timestamp(read)
        for each in (text, written_time(time, notation or None)):
            assert all_times("t", [each], notation or None).tolist() == [time]
