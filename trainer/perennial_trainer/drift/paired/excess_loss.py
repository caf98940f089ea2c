"""How much of its loss a version would save, were it the one that it replaces, on the rows that it answered."""

from typing import TYPE_CHECKING

import numpy as np

from perennial_trainer.artifacts.metadata import load_metadata
from perennial_trainer.contract.errors import RejectedTask, TaskError
from perennial_trainer.contract.metric_table import EXCESS_LOSS
from perennial_trainer.contract.result import NotMeasured
from perennial_trainer.contract.task import Version
from perennial_trainer.drift.earlier_rows import FEWEST, MAX_REASON
from perennial_trainer.drift.paired.same_rows import Compared, compare_models
from perennial_trainer.drift.recent_counts import RecentCounts
from perennial_trainer.storage.store import describe_error

if TYPE_CHECKING:
    from perennial_trainer.data.rows import Rows
    from perennial_trainer.drift.recent_counts import Model


def measure_excess(against: Version, recent: RecentCounts, model: "Model") -> Compared:
    """The excess and how good the other version is on these rows; or why it cannot be asked for them."""
    from perennial_trainer.artifacts.model_file import load_version

    rows = recent.scored_rows(FEWEST)
    if rows is None:
        return _not_measured(f"{recent.labelled} rows have a label that counts, fewer than {FEWEST}")
    keys = len(np.unique(rows.weights.request)) if rows.weights else len(rows)
    if keys < FEWEST:  # by chance the mean of two draws is above three standard errors in one of ten cases
        return _not_measured(
            f"{len(rows)} rows have {keys} keys, fewer than {FEWEST}, and rows of one key are one draw"
        )
    try:
        return compare_models(EXCESS_LOSS, model().result(), load_version(against), rows, _as_known(against, rows))
    except OSError as error:
        return _not_measured(f"the files of {against.name} could not be read: {describe_error(error)}")
    except TaskError as error:
        return _not_measured(f"{against.name} cannot be asked for these rows: {error.message[:MAX_REASON]}")


def _as_known(against: Version, rows: "Rows") -> "Rows | None":
    """The rows with the features of the other version; None if these are the same.

    Raises a RejectedTask: LiveCannotBeScored, MissingColumn.
    """
    from perennial_trainer.artifacts.own_columns import incomparable, rows_for

    how = load_metadata(against)
    if why := incomparable(how, rows.columns):
        raise RejectedTask("LiveCannotBeScored", why)
    return None if how.model.features == rows.columns.features else rows_for(how, rows)


def _not_measured(reason: str) -> Compared:
    return Compared(NotMeasured(metric=EXCESS_LOSS, reason=reason))
