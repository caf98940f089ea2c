"""Deletes the captured rows of keys: a file that has some is written again, under its name, without them.

A reader meanwhile gets the file of before or the new one, whole, so that every other row is there once. A run that is
killed has written some of the files, and the next one writes the rest. A file without any row left stays, since a
missing number is a buffer that was lost.
"""

import io
import logging
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from perennial_trainer.captured.compacted import number_of, read_compacted
from perennial_trainer.captured.encoding import decode_table, encode_table
from perennial_trainer.captured.keys import SECRET, captured_key
from perennial_trainer.captured.layout import KEY
from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.contract.upkeep.tasks import Forget
from perennial_trainer.storage.store import child_uri, read_bytes
from perennial_trainer.upkeep.days import Day
from perennial_trainer.upkeep.files import AT_ONCE, Folder

_HMAC = re.compile("[0-9a-f]{64}")

log = logging.getLogger(__name__)


@dataclass
class Forgetting:
    """Deletes rows of one model's folder.

    `rows` are those that a reader would have found; `left` says in which files some may be left, and why.
    """

    folder: Folder
    asked: Forget
    secret: bytes
    rows: int = 0
    files: int = 0
    left: dict[str, str] = field(default_factory=dict)

    def forget_all(self, days: Iterable[Day]) -> str:
        """What was deleted of these days, as a part of a message."""
        for day in days:
            self._forget(day)
        keys = len(self.asked.keys)
        return f"deleted {self.rows:,} rows of {keys:,} {'key' if keys == 1 else 'keys'} in {self.files:,} files"

    def _forget(self, day: Day) -> None:
        """No file of the day, complete or not, has a row of one of the keys; else `left` names it."""
        self.folder.remove({f"{day.folder}/{name}": size for name, size in day.others.items()})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            small, compacted = (
                [name for name, has in zip(names, pool.map(self._has_any, names), strict=True) if has]
                for names in ([f"{day.folder}/{name}" for name in names] for names in (day.small, day.compacted))
            )
        replaced = self._replaced(day) if small else set()
        for name in (*small, *compacted):
            rows = self._rewrite(name)
            self.rows += rows if name not in replaced else 0
            self.files += rows > 0

    def require_all(self) -> None:
        """A RejectedTask if rows of the keys may be left."""
        if self.left:
            files = join_names((f"{name} ({why})" for name, why in self.left.items()), 3)
            raise RejectedTask("NotForgotten", f"rows of the keys may be left in {files}")

    def _has_any(self, name: str) -> bool:
        content = self._read(name)
        try:
            mask = self._mask(name, decode_table(content, [KEY])[KEY]) if content is not None else None
            if content is not None and number_of(name.rpartition("/")[2]):
                read_compacted(io.BytesIO(content))
        except (pa.ArrowException, OSError, KeyError, RejectedTask):
            self.left[name] = "it is not valid parquet with keys: restore or delete it"
            return False
        return mask is not None and bool(pc.any(mask).as_py())

    def _mask(self, name: str, keys: Any) -> Any:
        """Which of these stored keys are among those that are asked for."""
        known = set(self.asked.keys)
        if clear := [key for key in keys.unique().to_pylist() if key and self._is_clear(key)]:
            if not self.secret:
                self.left[name] = f"its keys are as clients sent them, and the Job has no {SECRET}: set serving.capture"
            known.update(key for key in clear if self.secret and captured_key(self.secret, key) in self.asked.keys)
        return pc.is_in(keys, value_set=pa.array(sorted(known), pa.string()))

    def _is_clear(self, key: str) -> bool:
        """Whether a stored key may be what a client sent; with `keyInClear` that may look like an HMAC."""
        return self.asked.key_in_clear or not _HMAC.fullmatch(key)

    def _replaced(self, day: Day) -> set[str]:
        """The files whose rows a compacted one has too."""
        names = (f"{day.folder}/{name}" for name in day.compacted)
        contents = [self._read(name) for name in names if name not in self.left]
        records = (read_compacted(io.BytesIO(content)) for content in contents if content)
        return {f"{day.folder}/{name}" for record in records for name in record.files}

    def _rewrite(self, name: str) -> int:
        """How many rows the file has lost; it has all others, in their order."""
        content = self._read(name)
        if content is None:
            return 0
        table = decode_table(content)
        kept = pc.invert(self._mask(name, table[KEY]))
        rows = table.filter(kept)
        if number_of(name.rpartition("/")[2]):
            record = read_compacted(io.BytesIO(content)).with_rows(kept.to_pylist())
            rows = rows.replace_schema_metadata(record.metadata())
        written = encode_table(rows)
        again = decode_table(written)
        if not again.equals(rows) or again.schema.metadata != rows.schema.metadata:
            raise FailedTask("NotForgotten", f"{child_uri(self.folder.uri, name)} would lack rows, and is not written")
        self.folder.rewrite(name, written)
        return int(table.num_rows - rows.num_rows)

    def _read(self, name: str) -> bytes | None:
        """None if another run has deleted the file meanwhile."""
        try:
            return read_bytes(child_uri(self.folder.uri, name))
        except FileNotFoundError:
            return None
