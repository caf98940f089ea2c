"""The rows of one version as another one gets them."""

from dataclasses import replace

from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns


def incomparable(how: Metadata, columns: Columns) -> str | None:
    """Why a version of these columns shares no metric with the version of this metadata; None if it does."""
    if (how.model.task, how.model.target) == (columns.kind, columns.target):
        return None
    does = f"{how.version} does {how.model.task} of {how.model.target}"
    return f"{does}, the candidate {columns.kind} of {columns.target}: they share no metric"


def rows_for(how: Metadata, rows: Rows) -> Rows:
    """The same rows with the features of the version of this metadata. A RejectedTask, MissingColumn, if one lacks."""
    columns = Columns(how.model.features, how.model.target, how.model.task, None, rows.columns.positive)
    return replace(convert_rows(rows.table(), columns), weights=rows.weights)
