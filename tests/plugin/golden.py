"""What a command prints at 80 columns, beside the file that says so."""

from __future__ import annotations

import os
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
WIDTH = 80
SENTENCE = re.compile(r"(kubectl perennial: )?error: |# |s3://|https://")
"""What the terminal wraps: a command or an address that is copied from it stays whole."""


def compare(name: str, shown: str, **places: Path | str) -> None:
    """The output is that of the file, with these places as their names; UPDATE_GOLDEN=1 writes the file."""
    for place, path in places.items():
        shown = shown.replace(str(path), place)
    shown = re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4g}", shown)  # the last digits vary by machine
    shown = re.sub(r"-check-\d{6,}", "-check-TIME", shown)
    shown = "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown)
    assert shown == file.read_text(), "if it is right, set UPDATE_GOLDEN=1 and look at the difference"
    assert [line for line in shown.splitlines() if len(line) > WIDTH and not SENTENCE.match(line)] == []
