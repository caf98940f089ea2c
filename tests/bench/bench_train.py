"""The cost of a training task, compared with a bare scikit-learn script of its steps: `python -m tests.bench.bench_train`.

A million rows of 20 numeric and 5 categorical columns in parquet, a Ridge. Both are separate processes, measured from
their start to their end. They take turns, so that other load on the machine affects both; the best turn of each counts,
as in `bench_drift`. On a shared machine, compare the CPU seconds, which are those of all threads. The task does more than
the script (it fingerprints rows, profiles columns, looks for leaks, compares with a baseline and writes a page): that is
the difference. `first_line_s` is the time from the start of Python to the first line of the log, the best of several runs.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.bench_drift import MAIN, OURS, Run, machine, made, run, shown, task

SCRIPT = Path(__file__).with_name("bare.py")
TURNS = 5
CLEANING = {"missing": "impute", "duplicates": "drop", "outliers": "keep"}


def trained(folder: Path, data: Path) -> dict[str, str]:
    """The environment of the training."""
    source = {"uri": data.as_uri(), "window": "all", "holdout": 0.2, "cleaning": CLEANING}
    source |= {"minRows": 100, "maxMissing": 0.2}
    return task(folder, task="train", data=source, storage=(folder / "v1").as_uri())


def first_line(environment: dict[str, str]) -> float:
    """Seconds until the first line of the training's log; the training is stopped then."""
    started = time.perf_counter()
    with subprocess.Popen(
        OURS, env={"PYTHONPATH": ":".join(sys.path), **environment}, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        line = process.stdout.readline().decode()
        seconds = time.perf_counter() - started
        process.kill()
    assert line.startswith("train drift-v1"), line
    return seconds


def same_work(folder: Path) -> None:
    """Both kept and fitted as many rows and have the same error, within the variation between two splits of the rows."""
    script = json.loads((folder / "bare" / "metrics.json").read_text())
    ours = json.loads((folder / "v1" / "metadata.json").read_text())["data"]
    error = json.loads((folder / "v1" / "metrics.json").read_text())["metrics"]["mse"]["value"]
    assert ours["rows"] + ours["holdoutRows"] == script["rows"] + script["holdout"] == MAIN
    assert abs(error / script["metrics"]["mse"] - 1) < 0.02, (error, script)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine(None)
        data = made(folder / "training.parquet", MAIN, 0.0, True)
        environment = trained(folder, data)
        script = [sys.executable, str(SCRIPT), str(data), str(folder / "bare")]
        turns = []
        print(f"{'rows':>12} {'contender':42} {'seconds':>9} {'CPU s':>9} {'MB':>9}")
        for turn in range(TURNS):
            pair = (
                (run(script), run(OURS, **environment))
                if turn % 2 == 0
                else (run(OURS, **environment), run(script))[::-1]
            )
            turns.append(pair)
            shown(MAIN, "the script", pair[0])
            shown(MAIN, "ours", pair[1])
        same_work(folder)
        summary(turns, min(first_line(environment) for _ in range(10)))


def summary(turns: list[tuple[Run, Run]], first_line_s: float) -> None:
    script, ours = ([pair[which] for pair in turns] for which in (0, 1))
    cpu = min(each.cpu for each in ours) / min(each.cpu for each in script)
    print(f"CPU seconds, ours over the script's: {cpu:.2f}")
    seconds = min(each.seconds for each in ours) / min(each.seconds for each in script)
    print(json.dumps({"ours_over_script": round(seconds, 2), "first_line_s": round(first_line_s, 2)}))


if __name__ == "__main__":
    main()
