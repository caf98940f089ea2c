"""What is new in the training data to the live version: whether there are new rows, and which values are new."""

import logging
from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import TrainTask, Version
from perennial_trainer.data.privacy import common_names, rounded
from perennial_trainer.data.rows import Rows, Series
from perennial_trainer.data.tables.source import place_of
from perennial_trainer.profiling.columns import name_hash
from perennial_trainer.profiling.profile import (
    CategoricalProfile,
    ColumnProfile,
    NumericProfile,
    Profile,
    parse_profile,
)
from perennial_trainer.storage.store import sibling_uri
from perennial_trainer.storage.version_files import read_version_file

log = logging.getLogger(__name__)

MAX_LISTED = 5


class Novelty(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a column that the live version was not trained on, beside its own values, and how many rows."""

    rows: int
    known: str
    new: str = msgspec.field(name="found")  # the name in metrics.json since the first release


def require_new_rows(rows: Rows, task: TrainTask) -> None:
    """The rows are not those of the live version or of a rejected candidate, if the task asks; else NoNewRows."""
    if task.known_rows is not None and rows.fingerprint == task.known_rows:
        live = task.live.name if task.live else "the live version"
        _reject(rows, task, f"{live} was trained on: the training would produce the same model")
    for candidate in task.rejected_rows:
        if rows.fingerprint == candidate.sha256:
            _reject(
                rows, task, f"{candidate.name} was trained on, which was rejected or rolled back: this one would be too"
            )


def _reject(rows: Rows, task: TrainTask, known: str) -> NoReturn:
    raise RejectedTask(
        "NoNewRows",
        f"the {len(rows)} rows of {place_of(task.data)} are the rows that {known}; train again when there are new rows",
    )


def find_novelties(rows: Rows, live: Version | None) -> dict[str, Novelty]:
    """The novelties by column; empty without a live version, or without a profile of it."""
    known = _load_profile(live) if live else None
    if known is None:
        return {}
    measured = rows.measured
    profiles = {name: known.features[str(name)] for name in measured if str(name) in known.features}
    novelties = {str(name): _compare(measured[name], profile) for name, profile in profiles.items()}
    of_target = _compare(rows.target, known.target)
    if of_target and rows.columns.kind == "regression":
        of_target = replace(of_target, known="other values", new="smaller or greater ones")  # and not the target's own
    novelties[rows.columns.target] = of_target
    return {name: each for name, each in novelties.items() if each is not None}


def _load_profile(live: Version) -> Profile | None:
    """The profile beside the live model; None if it cannot be read: another trainer may have made the version."""
    uri = sibling_uri(live.uri, "profile.json")
    try:
        return parse_profile(uri, read_version_file(live, "profile.json"))
    except (FileNotFoundError, RejectedTask) as error:
        log.info("rows are not compared with the profile of %s, which cannot be read: %s", live.name, error)
        return None


def _compare(values: "Series[Any]", known: ColumnProfile) -> Novelty | None:
    numeric = values.dtype.kind == "f"
    match known:
        case NumericProfile() if numeric and known.points:
            return _out_of_range(values, known.points[0], known.points[-1])
        case CategoricalProfile() if not numeric and known.knows_new_values:
            return _new_categories(values, known)
        case _:  # a column that had another kind, or whose profile has only some of its categories
            return None


def _out_of_range(values: "Series[Any]", lowest: float, highest: float) -> Novelty | None:
    outside = values[(values < lowest) | (values > highest)]
    if outside.empty:
        return None
    extremes = [value for value in (outside.min(), outside.max()) if not lowest <= value <= highest]
    return Novelty(
        rows=len(outside),
        known=f"about {rounded(lowest)} to {rounded(highest)}",
        new="about " + " to ".join(dict.fromkeys(rounded(value) for value in extremes)),
    )


def _new_categories(values: "Series[Any]", known: CategoricalProfile) -> Novelty | None:
    """The rows of values that are new; where only a sample of the values is known, an estimate of their number."""
    names = {*known.values, *(known.others or []), *known.rare}
    new = {
        str(name): int(count)
        for name, count in values.value_counts().items()
        if name not in names and (known.sampled == 1 or name_hash(str(name)) < known.sampled)
    }
    if not new:
        return None
    rows = min(round(sum(new.values()) / known.sampled), len(values))
    return Novelty(rows=rows, known=f"{len(names)} categories", new=common_names(new, MAX_LISTED))
