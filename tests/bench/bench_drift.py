"""Time and memory of a drift check, compared with other tools: `python -m tests.bench.bench_drift`.

20 numeric and 5 categorical columns in parquet. Each contender is a separate process, measured from its start to its end,
and reads the files itself. The best of several runs counts (the worst for memory), since other load on the machine only
adds to it. The contenders take turns, so that such load affects all of them; scipy and Evidently, which take minutes, run
once. Ours is the check task as a pod runs it: the recent rows against the stored profile. Evidently and scipy compare with
the rows of the reference, so they read these as well.

The other contenders have no model, so the compared line is the check of the columns (`predictions: false`). The default,
which also predicts a sample of the rows, has its own line, and so have rows that all have their target: the compiled
model answers there. All run from compiled bytecode, as they do in an image, even if the environment disables writing it.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from perennial_trainer.contract.compression import decompress

NUMERIC = [f"x{number:02}" for number in range(20)]
CATEGORICAL = [f"c{number}" for number in range(5)]
SIZES = (100_000, 1_000_000, 10_000_000)
CHUNK = 250_000  # rows that are made at once, and that make a row group
CONTENDERS = Path(__file__).with_name("contenders.py")
MAIN = 1_000_000


class Run(NamedTuple):
    seconds: float
    cpu: float  # seconds of all its threads: what is left to compare by on a machine that others use as well
    megabytes: float


def made(path: Path, rows: int, shift: float, target: bool) -> Path:
    """The file: normal, skewed and whole numbers, one in fifty missing, and categories of 3 to 48 values."""
    generator = np.random.default_rng([rows, int(shift * 10)])
    writer = None
    for start in range(0, rows, CHUNK):
        table = _chunk(generator, min(CHUNK, rows - start), shift, target)
        writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer
    writer.close()
    return path


def _chunk(generator: np.random.Generator, size: int, shift: float, target: bool) -> Any:
    columns: dict[str, Any] = {}
    for number, name in enumerate(NUMERIC):
        values = [generator.normal, lambda size: generator.gamma(2, size=size)][number % 2](size=size) + shift * (
            number < 5
        )
        values = np.rint(values * 10) if number % 5 == 4 else values
        columns[name] = pa.array(values, mask=generator.random(size) < 0.02)
    for number, name in enumerate(CATEGORICAL):
        names = pa.array([f"{name}-{each:02}" for each in range(3 * 2**number)])
        columns[name] = names.take(pa.array(generator.integers(0, len(names) - 1, size)))
    if target:
        columns["y"] = pa.array(
            np.nan_to_num(columns["x00"].to_numpy(zero_copy_only=False)) + generator.normal(size=size)
        )
    return pa.table(columns)


def run(command: list[str], **environment: str) -> Run:
    """The process has succeeded; its time and its peak memory."""
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        compiled = {"PYTHONDONTWRITEBYTECODE": ""}
        process = subprocess.Popen(command, env={**os.environ, **compiled, **environment}, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{command} ended with {process.returncode}: {log.read().decode()[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def task(folder: Path, **fields: Any) -> dict[str, str]:
    model = {
        "framework": "sklearn", "format": "joblib", "estimator": "sklearn.linear_model.Ridge", "parameters": {},
        "task": "regression", "features": {"numeric": NUMERIC, "categorical": CATEGORICAL}, "target": "y",
    }  # fmt: skip
    whole = {"namespace": "bench", "modelDeployment": "drift", "version": "drift-v1", "model": model, **fields}
    return {"PERENNIAL_TASK": json.dumps(whole), "PERENNIAL_RESULT": str(folder / "answer")}


def trained(folder: Path) -> dict[str, str]:
    """The live version, from a real training."""
    cleaning = {"missing": "impute", "duplicates": "keep", "outliers": "keep"}
    source = {"uri": made(folder / "training.parquet", SIZES[0], 0.0, True).as_uri(), "window": "all", "holdout": 0.2}
    source |= {"cleaning": cleaning, "minRows": 100, "maxMissing": 0.2}
    run(OURS, **task(folder, task="train", data=source, storage=(folder / "v1").as_uri()))
    artifact = result(folder)["artifact"]
    return {"name": "drift-v1", **{field: artifact[field] for field in ("uri", "sha256", "metadataSha256")}}


def result(folder: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(decompress((folder / "answer").read_bytes()))
    return answer


DECODING = "pyarrow, decoding alone"
PREDICTED, LABELLED = "ours, with predictions", "ours, every row with its target"
OURS = [sys.executable, "-m", "perennial_trainer"]


def ours(folder: Path, live: dict[str, str], recent: Path, predictions: bool) -> Run:
    asked = {"data": {"uri": recent.as_uri(), "window": "all"}, "predictions": predictions}
    measured = run(OURS, **task(folder, task="check", live=live, storage=(folder / "check").as_uri(), **asked))
    assert result(folder)["samples"] == pyarrow.parquet.read_metadata(recent).num_rows, "not every row was read"
    return measured


def evidently(folder: Path) -> str | None:
    """A Python with Evidently in its own environment, or None if it cannot be installed."""
    given = os.environ.get("EVIDENTLY_PYTHON")
    if given:
        return given
    python = folder / "evidently" / "bin" / "python"
    try:
        subprocess.run([sys.executable, "-m", "venv", folder / "evidently"], check=True, capture_output=True)
        install = [python, "-m", "pip", "install", "-q", "evidently", "pandas<3", "pyarrow"]  # it breaks with pandas 3
        subprocess.run(install, check=True, capture_output=True, timeout=900)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"Evidently is left out, it could not be installed: {error}")
        return None
    return str(python)


def best(runs: list[Run]) -> Run:
    return Run(min(each.seconds for each in runs), min(each.cpu for each in runs), max(each.megabytes for each in runs))


def shown(rows: int, name: str, measured: Run) -> None:
    print(f"{rows:12,} {name:42} {measured.seconds:9.2f} {measured.cpu:9.2f} {measured.megabytes:9.0f}", flush=True)


def machine(python: str | None) -> None:
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    cpu = models[0] if models else platform.processor()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "pyarrow", "scikit-learn"))
    print(f"{cpu} x {os.cpu_count()}, Python {platform.python_version()}, {libraries}")
    if python:
        code = "from importlib.metadata import version; print('Evidently', version('evidently'))"
        print(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = evidently(folder)
        machine(python)
        live = trained(folder)
        print(f"profile: {(folder / 'v1' / 'profile.json').stat().st_size // 1024} KB")
        print(f"{'rows':>12} {'contender':42} {'seconds':>9} {'CPU s':>9} {'MB':>9}")
        results: dict[tuple[int, str], Run] = {}
        for rows in SIZES:
            measured = at(folder, live, rows, python)
            for contender, each in measured.items():
                results[rows, contender] = each
                shown(rows, contender, each)
        summary(results)


def at(folder: Path, live: dict[str, str], rows: int, python: str | None) -> dict[str, Run]:
    """Every contender on files of so many rows; those that load all rows into memory skip the largest size."""
    recent = made(folder / "recent.parquet", rows, 0.1, False)
    labelled = made(folder / "labelled.parquet", rows, 0.1, True)
    contenders: dict[str, Callable[[], Run]] = {
        DECODING: lambda: run([sys.executable, str(CONTENDERS), "decode", str(recent)]),
        "ours": lambda: ours(folder, live, recent, False),
        PREDICTED: lambda: ours(folder, live, recent, True),
        LABELLED: lambda: ours(folder, live, labelled, True),
    }
    turns = [{name: call() for name, call in contenders.items()} for _ in range(5 if rows <= MAIN else 2)]
    results = {name: best([turn[name] for turn in turns]) for name in contenders}
    if rows <= MAIN:
        reference = made(folder / "reference.parquet", rows, 0.0, False)
        both = [str(reference), str(recent)]
        results["scipy, ks_2samp and chi2_contingency"] = run([sys.executable, str(CONTENDERS), "scipy", *both])
        if python:
            results["Evidently, DataDriftPreset"] = run([python, str(CONTENDERS), "evidently", *both])
    return results


def summary(results: dict[tuple[int, str], Run]) -> None:
    decode, check = results[MAIN, DECODING], results[MAIN, "ours"]
    preset = results.get((MAIN, "Evidently, DataDriftPreset"))
    for more in (PREDICTED, LABELLED):
        print(f"{more}, seconds over decoding: {results[MAIN, more].seconds / decode.seconds:.2f}")
    if preset:
        print(f"Evidently's CPU seconds over ours: {preset.cpu / check.cpu:.0f}")
    print(
        json.dumps(
            {
                "rows": MAIN,
                "evidently_over_ours": round(preset.seconds / check.seconds, 1) if preset else None,
                "ours_over_decode": round(check.seconds / decode.seconds, 2),
                "rss_10m_over_1m": round(results[SIZES[-1], "ours"].megabytes / check.megabytes, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
