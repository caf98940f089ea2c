"""How recent rows differ from reference rows: what a drift check says, where there is no model at hand to score."""

from msgspec import UNSET

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.result import CheckResult, Window
from perennial_trainer.contract.task import RecentData
from perennial_trainer.data.rows import concatenate
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.window import iso_time
from perennial_trainer.drift import stream
from perennial_trainer.drift.histogram import Histogram, empty_histogram
from perennial_trainer.drift.recent import recent_batches
from perennial_trainer.drift.summary import summarize
from perennial_trainer.profiling.profile import profile_column


def compare_with_reference(reference: str, source: RecentData, columns: Columns) -> CheckResult:
    """The drift of every feature, and of the target where both have it.

    Raises what `stream.parts` and `recent` do, and a RejectedTask, EmptyData.
    """
    parts = [part.rows for part in stream.read_batches(reference, columns, optional_target=True)]
    if not parts:
        raise RejectedTask("EmptyData", "the reference holds no row to compare with")
    before = concatenate(parts)
    features: dict[str, Histogram] = {
        str(name): empty_histogram(profile_column(values)) for name, values in before.features.items()
    }
    target = empty_histogram(profile_column(before.target)) if before.target.notna().any() else None
    rows, start, end = 0, None, None
    for part in recent_batches(source, columns):
        part.count(features)
        known = part.rows.target[part.labelled]
        if target is not None and len(known):
            target.add(known)
        rows += len(part)
        if part.time is not None and part.time.notna().any():
            start = min(part.time.min(), start or part.time.min())
            end = max(part.time.max(), end or part.time.max())
    if not rows:
        raise RejectedTask("EmptyData", "the recent data hold no row")
    others = {"target": target} if target is not None and target.rows else {}
    what = summarize(features, others, len(before), {}, f"{rows} rows")
    window = Window(start=iso_time(start), end=iso_time(end)) if start is not None and end is not None else UNSET
    return CheckResult(message=what.message, samples=rows, metrics=what.ranked(), window=window)
