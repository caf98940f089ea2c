"""A training's rows of 90 days out of 1, 3 and 10 years: memory and time go by the window, not by the history.

One JSON line: for each source and each number of years, the seconds and the peak memory of a process that loads the
rows, and how many they are. `start` is a process that reads no row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from perennial_trainer.contract.data import RecentData
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.schema import Columns
from tests.postgres import Postgres

YEARS, WINDOW, PER_DAY = (1, 3, 10), "90d", 240
END = datetime(2026, 1, 1, tzinfo=UTC)
FEATURES = Features(numeric=tuple(f"x{number}" for number in range(8)), categorical=("station",))
COLUMNS = Columns(FEATURES, "y", "regression", "at")
Json = dict[str, Any]


def months(years: int) -> Iterator[pd.DataFrame]:
    """A row every six minutes, month by month."""
    generator = np.random.default_rng(0)
    for month in range(years * 12):
        times = (
            END
            - pd.Timedelta(days=30.4 * (years * 12 - month))
            + pd.to_timedelta(np.arange(int(30.4 * PER_DAY)) * 6, "min")
        )
        numbers = {name: generator.normal(size=len(times)) for name in (*FEATURES.numeric, "y")}
        station = generator.choice(["north", "south", "east"], len(times))
        yield pd.DataFrame({**numbers, "station": station, "at": times.as_unit("us")})


def in_parquet(years: int, folder: Path) -> Json:
    for number, frame in enumerate(months(years)):
        frame.to_parquet(folder / f"{number:04}.parquet", index=False)
    return {"uri": folder.as_uri()}


def in_one_parquet(years: int, folder: Path) -> Json:
    pd.concat(list(months(years))).to_parquet(folder / "all.parquet", index=False, row_group_size=7_000)
    return {"uri": folder.as_uri()}


def in_delta(years: int, folder: Path) -> Json:
    for frame in months(years):
        write_deltalake(folder, pa.Table.from_pandas(frame, preserve_index=False), mode="append")
    return {"delta": {"uri": folder.as_uri()}}


def in_iceberg(years: int, folder: Path) -> Json:
    from pyiceberg.catalog.sql import SqlCatalog  # which the processes that are measured do without

    catalogue = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalogue.db", warehouse=(folder / "lake").as_uri())
    catalogue.create_namespace("bench")
    table = None
    for frame in months(years):
        rows = pa.Table.from_pandas(frame, preserve_index=False)
        table = table or catalogue.create_table(("bench", "rides"), rows.schema)
        table.append(rows)
    assert table is not None
    return {"iceberg": {"uri": table.location()}}


def in_postgres(years: int, postgres: Postgres) -> Json:
    postgres.execute("DROP TABLE IF EXISTS rides")
    for number, frame in enumerate(months(years)):
        postgres.write(frame, "rides", "append" if number else "create")
    postgres.execute("CREATE INDEX ON rides (at)")
    postgres.execute("ANALYZE rides")
    return {"sql": {"query": "SELECT * FROM rides"}}


def load(source: Json) -> None:
    """Prints what it takes to load the window's rows in this process."""
    import msgspec

    before = time.perf_counter()
    rows = 0
    if source:
        data = msgspec.convert({**source, "window": WINDOW, "timeColumn": "at"}, RecentData)
        rows = len(load_rows(data, COLUMNS, END, window=WINDOW))
    seconds = time.perf_counter() - before
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024  # ru_maxrss would begin with that of the parent process
    print(json.dumps({"rows": rows, "seconds": round(seconds, 2), "peakMB": round(peak)}))


def measured(source: Json, environment: dict[str, str]) -> Json:
    command = [sys.executable, "-m", "tests.bench.bench_window", json.dumps(source)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    result: Json = json.loads(ended.stdout)
    return result


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        place = Path(root)
        place.joinpath("server").mkdir()
        with Postgres.started(place / "server") as postgres:
            sources: dict[str, Callable[[int], Json]] = {
                "parquet": lambda years: in_parquet(years, new(place / f"months-{years}")),
                "one parquet": lambda years: in_one_parquet(years, new(place / f"one-{years}")),
                "delta": lambda years: in_delta(years, new(place / f"delta-{years}")),
                "iceberg": lambda years: in_iceberg(years, new(place / f"iceberg-{years}")),
                "postgres": lambda years: in_postgres(years, postgres),
            }
            results = {
                name: {str(years): measured(written(years), postgres.environment) for years in YEARS}
                for name, written in sources.items()
            }
        line = {
            "window": WINDOW,
            "rowsPerYear": int(30.4 * PER_DAY) * 12,
            "cpus": os.cpu_count(),
            "start": measured({}, {}),
        }
        print(json.dumps(line | results))


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    load(json.loads(sys.argv[1])) if len(sys.argv) > 1 else main()
