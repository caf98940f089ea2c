"""The rows of a training by their use."""

from dataclasses import dataclass

from perennial_trainer.data.cleaning import Cleaned
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.window import Span
from perennial_trainer.profiling.quality import Findings


@dataclass(frozen=True)
class RowSets:
    """The rows by their use; `reference` has the training rows as they come, with missing values and outliers."""

    cleaned: Cleaned
    findings: Findings
    training: Rows
    holdout: Rows
    span: Span
    reference: Rows
    fitted: Rows
    outliers: dict[str, int]
