"""False alarms and detection of Evidently's and NannyML's default method on one column, for `bench_alarms`."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np

SCORES = Path(__file__).with_name("peer_scores.py")
KINDS = ("normal", "5 categories", "50 categories", "200 categories")
SIZES = (100, 1000, 10_000)
SHIFTS = (0.1, 0.25, 0.5)
REFERENCE = 10_000
PRIVATE = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}  # they report each use to their makers otherwise
PACKAGES = {"evidently": ["pandas<3", "pyarrow"], "nannyml": ["pandas<3", "statsmodels"]}


def alarms_of_peers(folder: Path, draws: int) -> dict[str, Any]:
    """For the last line: the worst share of false alarms, and the detection of 0.25 deviations at 1,000 rows."""
    summary: dict[str, Any] = {}
    for name in PACKAGES:
        python = environment(name, folder, PACKAGES[name])
        if python is None:
            continue
        asked = [(python, name, kind, rows, draws) for kind in KINDS for rows in SIZES]
        worst = 0.0
        with ThreadPool(2) as pool:
            for (_, _, kind, rows, _), (false_alarms, detected, about) in zip(
                asked, pool.imap(lambda each: peer_alarms(*each), asked), strict=True
            ):
                worst = max(worst, false_alarms)
                shown = ", ".join(f"shift {shift}: {share:.3f}" for shift, share in detected.items())
                print(f"{name:10} {kind:16} {rows:8,}  {about}; without drift {false_alarms:.4f}; {shown}", flush=True)
                if (kind, rows) == ("normal", 1000):
                    summary[f"{name}_detected_025_at_1000"] = detected[0.25]
        summary[f"{name}_worst"] = worst
    return summary


def peer_alarms(python: str, name: str, kind: str, rows: int, draws: int) -> tuple[float, dict[float, float], str]:
    """The share of alarms without drift by the default limit, and of alarms by shift with a limit that keeps 1 %."""
    quiet = scores(python, name, kind, rows, 0.0, draws)
    without_drift, limit, about = np.asarray(quiet["scores"]), 1.0, quiet["version"]
    false_alarms = float((without_drift > limit).mean())
    if false_alarms > 0.01:
        limit = float(np.quantile(without_drift, 0.99, method="higher"))
        about += f", limit raised {limit:.2f}-fold"
    detected = {}
    for shift in SHIFTS:
        shifted = np.asarray(scores(python, name, kind, rows, shift, max(100, draws // 8))["scores"])
        detected[shift] = float((shifted > limit).mean())
    return false_alarms, detected, about


def scores(python: str, name: str, kind: str, rows: int, shift: float, draws: int) -> dict[str, Any]:
    """Of so many draws, the score of the peer's default method over its limit."""
    command = [python, str(SCORES), name, kind, str(rows), str(shift), str(draws), str(REFERENCE)]
    process = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **PRIVATE})
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}: {process.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return answer


def environment(name: str, folder: Path, packages: Sequence[str] = ()) -> str | None:
    """A Python with the peer in its own environment, or None if it cannot be installed."""
    if given := os.environ.get(f"{name.upper()}_PYTHON"):
        return given
    python = folder / name / "bin" / "python"
    try:
        subprocess.run([sys.executable, "-m", "venv", folder / name], check=True, capture_output=True)
        install = [python, "-m", "pip", "install", "-q", name, *packages]
        subprocess.run(install, check=True, capture_output=True, timeout=1800)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"{name} is left out, it could not be installed: {error}")
        return None
    return str(python)
