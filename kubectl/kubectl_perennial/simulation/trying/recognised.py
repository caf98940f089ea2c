"""What the files show and the manifest does not say: the form of csv, the notation of times, the positive class."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubectl_perennial.simulation.history import columns_of
from perennial_trainer.contract.errors import Problems, TaskError
from perennial_trainer.data.categories import NO_CLASS, positive_position, sorted_classes
from perennial_trainer.data.files.readers import DataFiles
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.times import notation_of
from perennial_trainer.storage.listing import list_files
from perennial_trainer.storage.store import open_filesystem

Spec = dict[str, Any]
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", ".": "point", " ": "space"}


@dataclass(frozen=True)
class Recognised:
    """A spec with what was recognised, and each of those fields with its value in words."""

    spec: Spec
    fields: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    reading: tuple[str, ...] = ()
    """What was noted while the rows were read."""


def recognise(spec: Mapping[str, Any], uri: str, now: datetime) -> Recognised:
    """The spec with the recognised fields. Of files that cannot be read, nothing: the training says why."""
    filled, notes = copy.deepcopy(dict(spec)), Notes()
    columns = columns_of(spec)
    try:
        filesystem, path = open_filesystem(uri)
        files = DataFiles(filesystem, list_files(filesystem, path, uri).files, columns)
        fields = {**_csv(files, filled), **_time(files, filled, columns)}
        rows = load_rows(uri, columns, now, notes, Problems())
    except TaskError:
        return Recognised(filled, {}, 0, tuple(notes.sentences()))
    fields |= _positive(rows, filled)
    return Recognised(filled, fields, len(rows), tuple(notes.sentences()))


def _csv(files: DataFiles, spec: Spec) -> dict[str, str]:
    """The form of all csv files, if it is one."""
    dialects = {each for name in files.names if (each := files.dialect(name))}
    forms = {(each.separator, each.numbers.decimal, each.numbers.thousands, each.encoding) for each in dialects}
    if len(forms) != 1:
        return {}
    separator, decimal, thousands, encoding = forms.pop()
    given = dict(spec["data"].get("csv") or {})
    known = {"separator": separator, "decimal": decimal, "thousands": thousands, "encoding": encoding}
    usual = {"decimal": ".", "thousands": None, "encoding": "utf-8"}
    new = {name: value for name, value in known.items() if name not in given and value != usual.get(name, "")}
    spec["data"]["csv"] = given | new
    return {f"data.csv.{name}": NAMES.get(str(value), str(value)) for name, value in new.items()}


def _time(files: DataFiles, spec: Spec, columns: Columns) -> dict[str, str]:
    """The notation of times that are numbers."""
    if columns.time is None or columns.time_format:
        return {}
    table = next(files.tables(files.names[0]), None)
    notation = notation_of(table[columns.time].to_pandas()) if table is not None else None
    if notation is None:
        return {}
    spec["data"]["timeFormat"] = notation
    return {"data.timeFormat": notation}


def _positive(rows: Rows, spec: Spec) -> dict[str, str]:
    """The positive class of two: the usual one of two numbers or true and false, the rarer one of two texts."""
    if rows.columns.kind != "classification" or rows.columns.positive is not None:
        return {}
    counts = rows.target.value_counts()
    classes = sorted_classes(set(counts.index))
    if len(classes) != 2:
        return {}
    place = positive_position(classes)
    name = str(counts.index[-1]) if place in (None, NO_CLASS) else classes[place or 0]
    spec["model"]["positiveClass"] = name
    return {"model.positiveClass": f"{name}, the rarer class" if place == NO_CLASS else name}
