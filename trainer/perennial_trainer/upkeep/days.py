"""The captured files, day by day: a day has as many as a node's memory holds, and all days may have more."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from perennial_trainer.captured import compacted, layout
from perennial_trainer.storage.store import child_uri, list_names
from perennial_trainer.upkeep.files import Folder


@dataclass
class Day:
    """The files of one day, by their place in its folder, and their bytes. `others` were never complete."""

    folder: str
    small: dict[str, int] = field(default_factory=dict)
    compacted: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)

    def in_model_folder(self) -> Iterator[dict[str, int]]:
        """All files, by their place in the model's folder, in the order in which they are deleted.

        Compacted ones come last, or readers would count what they have replaced, if the rest were not deleted.
        """
        for files in (self.others, self.small, self.compacted):
            yield {f"{self.folder}/{name}": size for name, size in files.items()}


def dates_of(folder: Folder) -> list[date]:
    """The days that have a folder, the oldest first."""
    names = list_names(child_uri(folder.uri, layout.FOLDER))
    return sorted(day for name in names if (day := _date(name)))


def read_day(folder: Folder, day: date) -> Day:
    """The files of the day that may be deleted, by hour and process and then by sequence number."""
    of_day = Day(f"{layout.FOLDER}/{day:date=%Y-%m-%d}")
    files = {name.removeprefix(f"{of_day.folder}/"): size for name, size in folder.removable(of_day.folder).items()}
    for place in sorted(files, key=_order):
        whole = of_day.compacted if compacted.NAME.fullmatch(place) else of_day.others
        (of_day.small if layout.FILE.fullmatch(place) else whole)[place] = files[place]
    return of_day


def _order(name: str) -> tuple[str, int]:
    source, _, sequence = name.removesuffix(".parquet").rpartition("-")
    return source, int(sequence) if sequence.isdecimal() else 0


def _date(folder: str) -> date | None:
    match = layout.DAY.fullmatch(folder)
    try:
        return date.fromisoformat(match["date"]) if match else None
    except ValueError:
        return None
