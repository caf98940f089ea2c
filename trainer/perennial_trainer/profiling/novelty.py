"""What the live version knows of the data already: whether there is a new row, and which values are new to it."""

import logging
from typing import Any

import msgspec
import numpy as np

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import TrainTask, Version
from perennial_trainer.data.rows import Rows, Series
from perennial_trainer.profiling.profile import (
    CategoricalProfile,
    ColumnProfile,
    NumericProfile,
    Profile,
    parse_profile,
)
from perennial_trainer.storage import store
from perennial_trainer.storage.listing import display_uri

log = logging.getLogger(__name__)

MOST_LISTED = 5


class Novelty(msgspec.Struct, frozen=True, kw_only=True):
    """So many rows have values that the live version has not been trained on; it knew `known`, they have `found`."""

    rows: int
    known: str
    found: str


def require_new_rows(rows: Rows, task: TrainTask) -> None:
    """The rows are others than those that made the live version, where that is asked; else RejectedTask, NoNewRows."""
    if task.known_rows is not None and rows.fingerprint == task.known_rows:
        made = task.live.name if task.live else "the live version"
        raise RejectedTask(
            "NoNewRows",
            f"the {len(rows)} rows of {display_uri(task.data.uri)} are the rows that {made} was trained on: the "
            "training would produce the same model; train again when there are new rows",
        )


def find_novelties(rows: Rows, live: Version | None) -> dict[str, Novelty]:
    """By column, the rows whose values lie outside what the live version was trained on; nothing without one."""
    known = _profile(live) if live else None
    if known is None:
        return {}
    columns = [(str(name), values, known.features.get(str(name))) for name, values in rows.features.items()]
    found = {name: _outside(values, column) for name, values, column in columns if column is not None}
    found[rows.columns.target] = _outside(rows.target, known.target)
    return {name: each for name, each in found.items() if each is not None}


def _profile(live: Version) -> Profile | None:
    """The profile beside the live model; None where there is none, as another trainer may have made it."""
    uri = store.sibling_uri(live.uri, "profile.json")
    try:
        return parse_profile(uri, store.read_bytes(uri))
    except (FileNotFoundError, RejectedTask) as error:
        log.info("what %s knew is not known: %s", live.name, error)
        return None


def _outside(values: "Series[Any]", known: ColumnProfile) -> Novelty | None:
    numeric = values.dtype.kind == "f"
    match known:
        case NumericProfile() if numeric and known.points:
            return _out_of_range(values, known.points[0], known.points[-1])
        case CategoricalProfile() if not numeric and known.others is not None:
            return _new_categories(values, [*known.values, *known.others])
        case _:  # a column that was something else, or of which not everything was kept
            return None


def _out_of_range(values: "Series[Any]", lowest: float, highest: float) -> Novelty | None:
    outside = values[(values < lowest) | (values > highest)]
    if outside.empty:
        return None
    ends = [end for end in (outside.min(), outside.max()) if not lowest <= end <= highest]
    return Novelty(
        rows=len(outside),
        known=f"{lowest:.6g} to {highest:.6g}",
        found=" to ".join(dict.fromkeys(f"{end:.6g}" for end in ends)),
    )


def _new_categories(values: "Series[Any]", known: list[str]) -> Novelty | None:
    counts = values.value_counts()
    new = counts[~np.isin(counts.index.to_numpy(dtype=object), known)]
    if new.empty:
        return None
    return Novelty(rows=int(new.sum()), known=f"{len(known)} categories", found=join_names(new.index, MOST_LISTED))
