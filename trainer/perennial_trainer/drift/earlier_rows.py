"""The labelled rows before the recent ones: a challenger is fitted to them; where labels come late, they are scored."""

import logging
from typing import TYPE_CHECKING

import numpy as np

from perennial_trainer.artifacts.metadata import load_metadata
from perennial_trainer.contract.data import Challenger
from perennial_trainer.contract.errors import RejectedTask, TaskError
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.drift.recent_counts import RecentCounts, most_rows
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.storage.store import describe_error

if TYPE_CHECKING:
    import pandas as pd

    from perennial_trainer.data.rows import Rows
    from perennial_trainer.drift.recent_counts import Model
    from perennial_trainer.drift.recent_rows.batch import Batch

log = logging.getLogger(__name__)

MAX_REASON = 300  # characters, so that the result keeps room for what decides
FEWEST = 30  # rows that are compared
MOST_FITTED = 100_000  # rows, evenly drawn: enough to see that a model of newer rows is better


def add_late_rows(task: CheckTask, recent: RecentCounts, model: "Model") -> None:
    """Where the recent rows have no target, earlier ones whose targets have come since are scored in their place.

    They are newer than all rows that the live version knows, and at most as many as the recent ones are. A problem of
    these rows is never one of the check.
    """
    if task.challenger is None or recent.labelled >= FEWEST or recent.period.start is None:
        return
    try:
        end = load_metadata(task.live).data.end
        rows = newest_rows(task, task.challenger, recent.rows * task.challenger.checks, recent.period.start)
    except OSError as error:
        recent.why_none_is_late = f"data.training could not be read: {describe_error(error)}"
    except TaskError as error:
        recent.why_none_is_late = error.message[:MAX_REASON]
    else:
        _score_new(recent, rows, end, model)


def _score_new(recent: RecentCounts, rows: "Rows", end: str | None, model: "Model") -> None:
    import pandas as pd

    if rows.time is None or end is None:
        return
    by_time = np.argsort(rows.time.to_numpy(), kind="stable")
    rows = rows.take(by_time[(rows.time > pd.Timestamp(end)).to_numpy()[by_time]])
    if len(rows) < FEWEST:
        recent.why_none_is_late = f"{len(rows)} earlier rows have got a target since, fewer than {FEWEST}"
        return
    log.info("%s earlier rows have got a target since the live version was trained", len(rows))
    recent.add_late(rows, model)


def newest_rows(task: CheckTask, challenger: Challenger, wanted: int, before: "pd.Timestamp | None") -> "Rows":
    """The newest rows of data.training with a target, of so many rows, older than the given time."""
    from perennial_trainer.data.notes import Notes
    from perennial_trainer.data.rows import concatenate
    from perennial_trainer.data.schema import Columns
    from perennial_trainer.drift.recent_rows.selection import recent_batches

    model, data = task.model, challenger.data
    columns = Columns(
        model.features,
        model.target,
        model.task,
        data.time_column,
        model.positive_class,
        time_format=data.time_format,
        csv=data.csv,
    )
    sample: EvenSample[Batch] = EvenSample(most_rows(MOST_FITTED, model.features))
    for batch in recent_batches(data.of_window(wanted), columns, task.now, Notes(), before=before):
        sample.add(batch.take(batch.labelled))
    batches = [batch for batch in sample.batches if len(batch)]
    if not batches:
        raise RejectedTask("EmptyData", f"no row with a target is {f'older than {before}' if before else 'there'}")
    return concatenate([batch.rows for batch in batches])
