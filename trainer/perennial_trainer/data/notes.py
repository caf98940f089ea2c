"""What a reader of the results should know about how the rows were read."""

from collections import Counter
from dataclasses import dataclass, field

from perennial_trainer.contract.errors import join_names

SHOWN = 5  # names in a sentence
MAX_SUFFIX = 700  # characters


@dataclass
class Notes:
    """Filled while rows are read; `sentences` are for the log, the message of the result, and its page."""

    passed_over: tuple[str, ...] = ()
    dialects: Counter[str] = field(default_factory=Counter)  # what is unusual in a csv file, and in how many
    missing_columns: dict[str, set[str]] = field(default_factory=dict)  # by column, the files that lack it
    unusable: Counter[str] = field(default_factory=Counter)  # values by column
    rows_without_time: int = 0
    snapshot: str = ""  # which state of a table was read
    future_rows: int = 0
    newest_future: str = ""
    also_before: int = 0  # captured rows that rows of before have, too
    no_labels: str = ""  # why there is no label at all
    not_read: str = ""  # the time of the newest row of those that did not fit into memory

    def add_dialect(self, description: str) -> None:
        if description:
            self.dialects[description] += 1

    def add_missing_column(self, column: str, file: str) -> None:
        self.missing_columns.setdefault(column, set()).add(file)

    def add_unusable(self, name: str, count: int) -> None:
        if count:
            self.unusable[name] += count

    def add_future(self, rows: int, newest: str) -> None:
        if rows:
            self.future_rows += rows
            self.newest_future = max(self.newest_future, newest)

    def merge(self, other: "Notes") -> None:
        """Adds what was noted for another file."""
        self.dialects.update(other.dialects)
        for column, files in other.missing_columns.items():
            self.missing_columns.setdefault(column, set()).update(files)
        self.unusable.update(other.unusable)
        self.rows_without_time += other.rows_without_time
        self.add_future(other.future_rows, other.newest_future)

    def suffix(self) -> str:
        """The sentences as the end of a message; empty if there is nothing to say."""
        text = "".join(f"; {sentence}" for sentence in self.sentences())
        return text if len(text) <= MAX_SUFFIX else text[: MAX_SUFFIX - 1] + "…"

    def sentences(self) -> list[str]:
        """One for each kind of note; empty if there is nothing to say."""
        lines = []
        if self.not_read:
            lines.append(f"rows up to {self.not_read} do not fit into memory and were not read")
        if self.future_rows:
            lines.append(
                f"{self.future_rows} rows have a time in the future, up to {self.newest_future}, and were left out"
            )
        if self.rows_without_time:
            lines.append(f"{self.rows_without_time} rows have no time and were left out")
        if self.no_labels:
            lines.append(f"there is no label yet: {self.no_labels}")
        if self.also_before:
            lines.append(f"{self.also_before} captured rows have the key of a row of before and were left out")
        if self.unusable:
            counts = join_names([f"{name} {count}" for name, count in self.unusable.most_common()], SHOWN)
            lines.append(f"values that cannot be used count as missing: {counts}")
        for column, files in sorted(self.missing_columns.items()):
            lines.append(f"column {column} is missing in {len(files)} files: {join_names(sorted(files), 2)}")
        if self.passed_over:
            lines.append(f"{len(self.passed_over)} files were passed over: {join_names(self.passed_over, SHOWN)}")
        lines += [f"{count} csv files have {description}" for description, count in self.dialects.most_common()]
        return lines
