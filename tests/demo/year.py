"""The backtest of the whole year, which runs beside the story, and of which the last act shows the result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.stage import ROOT

PAGE = ROOT / "build" / "bike-demand.html"
ROWS = "tests/demo/data/*.parquet"
WORDS = ("backtest", "tests/demo/bike-demand.yaml", "--data", ROWS, "--every", "14d", "--no-shuffle")
QUIETER = 10
"""Of its process: the story comes first."""


class Year:
    """From the beginning of the context the year is played; at its end the process has gone."""

    def __init__(self, folder: Path) -> None:
        self._output, self._cache = folder / "backtest.txt", folder / "backtest"

    def __enter__(self) -> Year:
        PAGE.parent.mkdir(exist_ok=True)
        more = ("--cache", str(self._cache), "--html", str(PAGE))
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kubectl_perennial", *WORDS, *more],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.nice(QUIETER),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def is_played(self) -> bool:
        """Whether it has come to its end. AssertionError with its message if it failed."""
        ended = self._process.poll()
        assert not ended, f"the backtest failed: {self._output.read_text()}"
        return ended == 0

    def table(self) -> str:
        """What it has printed, up to the end of the table of policies."""
        head, table, *_ = self._output.read_text().split("\n\n")
        return f"{head}\n\n{table}"
