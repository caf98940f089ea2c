"""Reads the metrics of a result of NannyML (`result.to_df()`, as csv, parquet or JSON).

A result has a line for each chunk of rows; the newest full chunk of the analysis period is what is reported: the last
one is often the remainder of a file, with a few rows. Its columns have two or three levels, or one whose parts are
joined by underscores (`to_df(multilevel=False)`).
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubectl_perennial.errors import CommandError
from kubectl_perennial.importers.measurements import Columns, Measured
from perennial_operator.core.api.thresholds import QUALITY_METRICS

DRIFT: Mapping[str, str] = {
    "jensen_shannon": "js",
    "kolmogorov_smirnov": "ks",
    "hellinger": "hellinger",
    "l_infinity": "l_infinity",
    "chi2": "chi2",
}
NOT_COMPARABLE = {"wasserstein": "it is in the feature's own units, and Perennial's is in standard deviations"}
HINT = "write it with result.to_df().to_csv(path)"

Line = dict[tuple[str, ...], Any]
"""The cells of one chunk by the names of their columns."""


def read(path: Path, columns: Columns) -> Measured:
    """The metrics of the newest chunk. CommandError if the file is not a result of NannyML."""
    lines = [_by_chunk(line) for line in _lines(path)]
    chunks = [line for line in lines if line.get(("chunk", "period"), "analysis") == "analysis"]
    if not lines or not all(("chunk", "key") in line for line in lines):
        raise CommandError(f"{path} is not a result of NannyML: it has no column of chunks; {HINT}")
    if not chunks:
        raise CommandError(f"{path} has only chunks of the reference period; calculate on recent data too")
    ordered = sorted(
        chunks,
        key=lambda line: (
            str(_instant(line.get(("chunk", "end_date"))) or ""),
            _number(line.get(("chunk", "chunk_index"))) or 0,
        ),
    )
    measured = Measured("nannyml")
    full = [number for number in range(len(ordered)) if not _is_partial(number, ordered, lines)]
    newest = ordered[full[-1] if full else -1]
    for chunk in ordered[full[-1] + 1 :] if full else []:
        measured.leave_out(f"the chunk {chunk['chunk', 'key']}", f"its {_rows(chunk)} rows are only a part of a chunk")
    measured.samples = _rows(newest)
    measured.start, measured.end = (_instant(newest.get(("chunk", name))) for name in ("start_date", "end_date"))
    for names, value in newest.items():
        if names[0] != "chunk" and names[-1] == "value":
            _add(measured, names[:-1], value, newest, columns)
    return measured


def _rows(chunk: Line) -> int | None:
    first, last = (_number(chunk.get(("chunk", name))) for name in ("start_index", "end_index"))
    return int(last - first) + 1 if first is not None and last is not None else None


def _is_partial(number: int, ordered: list[Line], lines: list[Line]) -> bool:
    """Whether a chunk is a remainder: smaller than chunks of one size, or than half of nearly all other periods.

    Periods differ, as weekends do from weekdays, and those of the reference may have had other traffic. The first one
    may be a part of a period too.
    """
    chunk = ordered[number]
    rows, sizes = _rows(chunk), _sizes(line for line in lines if line is not chunk)
    if rows is None or not sizes:
        return False
    if len(sizes) > 1 and sizes[-1] in sizes[:-1] and len({*sizes[1:]}) == 1:  # all but one, itself a remainder
        return rows < sizes[-1]
    others = [line for line in ordered[1:] if line is not chunk] or [line for line in ordered if line is not chunk]
    usual = _sizes(others) or sizes
    return rows < usual[len(usual) // 10] / 2


def _sizes(chunks: Iterable[Line]) -> list[int]:
    """The numbers of rows, in ascending order."""
    return sorted(rows for rows in map(_rows, chunks) if rows is not None)


def _add(measured: Measured, about: tuple[str, ...], cell: Any, line: Line, columns: Columns) -> None:
    """One value: (column, method) of drift, or (metric,) of performance, known or estimated."""
    value = _number(cell)
    if len(about) == 1 and about[0] in QUALITY_METRICS:
        estimated = any(names == (*about, "realized") for names in line)
        measured.add(
            f"estimated_{about[0]}" if estimated else about[0],
            value,
            error=_number(line.get((*about, "sampling_error"))),
        )
    elif len(about) == 2 and about[1] in DRIFT:
        columns.drift(measured, DRIFT[about[1]], about[0], value)
    else:
        measured.leave_out(" of ".join(reversed(about)), NOT_COMPARABLE.get(about[-1], "Perennial has no such metric"))


def _by_chunk(line: Line) -> Line:
    """The line without repeated levels; a name of one level is split at the known methods."""
    split = {_split(names[0]) if len(names) == 1 else names: value for names, value in line.items()}
    return {tuple(dict.fromkeys(names)): value for names, value in split.items()}


OF_CHUNK = ("key", "chunk_index", "start_index", "end_index", "start_date", "end_date", "period")
CHUNK = {f"chunk_{name}": ("chunk", name) for name in OF_CHUNK} | {"chunk_index": ("chunk", "chunk_index")}
FIELDS = "value|alert|sampling_error|realized|(?:upper|lower)_(?:threshold|confidence_boundary)"
FLAT = re.compile(rf"(?P<about>.+)_(?P<field>{FIELDS})")
METHOD = re.compile(rf"(?P<column>.+)_(?P<method>{'|'.join([*DRIFT, *NOT_COMPARABLE])})")


def _split(name: str) -> tuple[str, ...]:
    if name in CHUNK:  # a feature may be called chunk_size
        return CHUNK[name]
    flat = FLAT.fullmatch(name)
    if not flat:
        return (name,)
    method = METHOD.fullmatch(flat["about"])
    return (method["column"], method["method"], flat["field"]) if method else (flat["about"], flat["field"])


def _lines(path: Path) -> Iterator[Line]:
    match path.suffix.lower():
        case ".csv":
            yield from _of_csv(path)
        case ".json":
            yield from _of_json(path)
        case ".parquet" | ".pq":
            yield from _of_parquet(path)
        case other:
            raise CommandError(
                f"{path} ends in {other or 'nothing'}; NannyML's results are read from csv, parquet or json: {HINT}"
            )


def _of_csv(path: Path) -> Iterator[Line]:
    """The lines below the header, which has one line for each level of the columns."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    first = rows[0] if rows else []
    levels = 1 if "chunk_key" in first else next((n for n, row in enumerate(rows, 1) if "key" in row), 0)
    heads = [tuple(level[column] for level in rows[:levels]) for column in range(len(first))]
    for row in rows[levels:] if levels else []:
        yield {names: cell for names, cell in zip(heads, row, strict=False) if any(names)}


def _of_json(path: Path) -> Iterator[Line]:
    """What `to_json()` writes, by column; or by record."""
    try:
        document = json.loads(path.read_text())
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}; {HINT}") from error
    if isinstance(document, dict) and document and all(isinstance(column, dict) for column in document.values()):
        for row in next(iter(document.values())):
            yield {_names(column): cells.get(row) for column, cells in document.items()}
    elif isinstance(document, list):
        yield from ({_names(column): cell for column, cell in record.items()} for record in document)


def _of_parquet(path: Path) -> Iterator[Line]:
    try:
        import pyarrow.parquet as parquet  # optional: part of the trainer
    except ImportError as error:
        raise CommandError(f"{path} needs pyarrow, which is not installed: pip install pyarrow, or {HINT}") from error
    try:
        records = parquet.read_table(path).to_pylist()
    except Exception as error:
        raise CommandError(f"{path} cannot be read as parquet: {str(error).splitlines()[0]}") from error
    yield from ({_names(column): cell for column, cell in record.items()} for record in records)


def _names(column: str) -> tuple[str, ...]:
    """The levels of a column's name, which pandas writes as the text of a tuple."""
    if not column.startswith("('"):
        return (column,)
    try:
        return tuple(map(str, ast.literal_eval(column)))
    except (ValueError, SyntaxError):
        return (column,)


def _number(cell: Any) -> float | None:
    try:
        return None if cell in (None, "") or isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        return None


def _instant(cell: Any) -> str | None:
    """RFC 3339 in UTC: of a datetime, of milliseconds as pandas's JSON has them, or of text with or without a zone."""
    if cell in (None, ""):
        return None
    try:
        if isinstance(cell, int | float):
            time = datetime.fromtimestamp(cell / 1000, UTC)
        else:
            time = (
                cell
                if isinstance(cell, datetime)
                else datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(cell)))
            )
    except (ValueError, OverflowError):
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
