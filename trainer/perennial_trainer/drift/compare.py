"""Compares recent rows with reference rows: a drift check without a model."""

from perennial_trainer.contract.data import RecentData
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.result import CheckResult
from perennial_trainer.data.rows import concatenate
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.histogram import Histogram, empty_histogram
from perennial_trainer.drift.recent_rows.period import Period
from perennial_trainer.drift.recent_rows.selection import recent_batches
from perennial_trainer.drift.recent_rows.stream import read_batches
from perennial_trainer.drift.summary import summarize
from perennial_trainer.profiling.columns import profile_column


def compare_with_reference(reference: str, source: RecentData, columns: Columns) -> CheckResult:
    """The drift of every feature, and of the target if both have it.

    Raises what `read_batches` and `recent_batches` raise, and a RejectedTask, EmptyData.
    """
    batches = [batch.rows for batch in read_batches(reference, columns, optional_target=True)]
    if not batches:
        raise RejectedTask("EmptyData", "the reference holds no row to compare with")
    before = concatenate(batches)
    features: dict[str, Histogram] = {
        str(name): empty_histogram(profile_column(values)) for name, values in before.measured.items()
    }
    target = empty_histogram(profile_column(before.target)) if before.target.notna().any() else None
    rows, period = 0, Period()
    for batch in recent_batches(source, columns):
        batch.count_into(features)
        targets = batch.rows.target[batch.labelled]
        if target is not None and len(targets):
            target.add(targets)
        rows += len(batch)
        period.add(batch.time)
    if not rows:
        raise RejectedTask("EmptyData", "the recent data hold no row")
    others = {"target": [target]} if target is not None and target.rows else {}
    summary = summarize(features, others, len(before), {}, f"{rows} rows")
    return CheckResult(message=summary.message, samples=rows, metrics=summary.ranked(), window=period.window())
