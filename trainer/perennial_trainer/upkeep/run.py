"""One upkeep of a model's folder: what is too old is deleted, and small captured files are put together."""

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from perennial_trainer.contract.errors import join_names
from perennial_trainer.contract.upkeep.results import UpkeepResult
from perennial_trainer.contract.upkeep.tasks import UpkeepTask
from perennial_trainer.upkeep.compaction import Compaction
from perennial_trainer.upkeep.days import dates_of, read_day
from perennial_trainer.upkeep.files import CHECKS, Folder
from perennial_trainer.upkeep.pages import old_pages

LATE = timedelta(hours=1)
"""How long after the end of a day its last files may come; those that come later are compacted by later runs."""
LONGEST = 1800.0
"""Seconds after which no further day is compacted; the next run goes on."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def keep_up(task: UpkeepTask) -> UpkeepResult:
    """Nothing is older than `retain`, and days that are over have few captured files.

    The earlier of two clocks counts, the operator's and that of the pod, so that a wrong one deletes nothing early.
    """
    folder, now = Folder(task.storage), min(task.now, datetime.now(UTC)).astimezone(UTC)
    compaction = Compaction(folder, now)
    sentences: list[str] = []
    if task.retain:
        since = now - timedelta(seconds=int(task.retain[:-1]) * UNITS[task.retain[-1]])
        folder.remove(old_pages(folder.removable(CHECKS), task.model_deployment, since))
        days = dates_of(folder)
        _remove_days(folder, (day for day in days if day < since.date()))
        if folder.deleted:
            sentences.append(f"deleted {folder.deleted:,} files that were older than {task.retain}")
        sentences += _compact(compaction, [day for day in days if since.date() <= day < (now - LATE).date()])
    freed = f"; freed {folder.freed:,} bytes" if folder.deleted else ""
    return UpkeepResult(
        message=("; ".join(sentences) or "there was nothing to do") + freed,
        deleted_files=folder.deleted,
        freed_bytes=folder.freed,
        compacted_files=compaction.replaced,
    )


def _remove_days(folder: Folder, days: Iterable[date]) -> None:
    """No captured file of these days is left."""
    for day in days:
        for files in read_day(folder, day).in_model_folder():
            folder.remove(files)


def _compact(compaction: Compaction, days: list[date]) -> list[str]:
    """What was done with the days, the oldest first."""
    last, before, left = time.monotonic() + LONGEST, compaction.folder.deleted, list(days)
    while left and time.monotonic() < last:
        compaction.compact(read_day(compaction.folder, left.pop(0)))
    sentences = []
    if deleted := compaction.folder.deleted - before:
        sentences.append(f"deleted {deleted:,} files whose rows earlier runs have put into larger ones")
    if compaction.replaced:
        sentences.append(f"put the rows of {compaction.replaced:,} files together, which the next run deletes")
    if compaction.unreadable:
        sentences.append(f"left out what is not valid parquet: {join_names(compaction.unreadable, 3)}")
    if left:
        sentences.append(f"{len(left)} days are left for the next run")
    return sentences
