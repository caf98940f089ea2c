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
    to_fit: Rows
    """Those before the holdout that may be fitted to, whatever span of them is."""
    held_out: int
    """Rows of the holdout, those that decide weights included."""
    weighing: Rows | None = None
    """The rows of the holdout that decide the weights of a blend; they are training rows, too."""
    no_blend: str = ""
    """Why no rows decide weights."""
