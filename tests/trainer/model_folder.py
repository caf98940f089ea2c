"""The folder of a model in storage, with captured rows, and the task that keeps it small."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from fsspec.core import url_to_fs

from perennial_trainer.captured.encoding import decode_table
from perennial_trainer.data.tables.captured.files import CapturedFiles
from perennial_trainer.storage import store
from tests.trainer.captured import capture
from tests.trainer.tasks import Json

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
NOW = datetime.now(UTC)
"""Of each run."""


class Killed(BaseException):
    """As SIGKILL: nothing after it is done."""


def an_upkeep(storage: str, now: datetime = NOW, retain: str | None = "30d", uid: str = "uid", **fields: Any) -> Json:
    task = {"task": "upkeep", "namespace": "clinic", "modelDeployment": "progression", "now": now.isoformat()}
    owner = {"uid": uid, "folder": storage}
    return {**task, "owner": owner, "storage": storage, **({"retain": retain} if retain else {}), **fields}


def put(storage: str, *names: str) -> None:
    for name in names:
        folder, _, last = f"{storage}/{name}".rpartition("/")
        store.write_files(folder, {last: b"12345"})


def stored(storage: str) -> set[str]:
    filesystem, path = url_to_fs(storage)
    filesystem.invalidate_cache()
    return {name.removeprefix(f"{path}/") for name in filesystem.find(path)} - {"owners/000001.json"}


def day(ago: int) -> str:
    return f"captured/{TODAY - timedelta(days=ago):date=%Y-%m-%d}"


def asked(ago: int, *keys: str, hour: int = 9, **columns: Any) -> pd.DataFrame:
    at = TODAY - timedelta(days=ago) + timedelta(hours=hour)
    times = pd.date_range(at, periods=len(keys), freq="20min")
    return pd.DataFrame({"x": range(len(keys)), "id": keys, "asked": times} | columns)


def three_days(folder: Path) -> None:
    """Of two pods, with a lost buffer, and of today."""
    captured = folder / "captured"
    capture(asked(3, *"abcdefgh"), captured, "id", "asked")
    capture(asked(3, *"klm", hour=23), captured, "id", "asked", pod="other")
    capture(asked(2, *"nop"), captured, "id", "asked", pod="pod-2")
    capture(asked(2, *"qr"), captured, "id", "asked", pod="pod-3")
    capture(asked(0, "s", hour=0), captured, "id", "asked")
    (captured / day(3).partition("/")[2] / "hour=10/pod-1-1-00000002.parquet").rename(captured / "lost")
    (captured / "lost").unlink()


def rows(folder: Path) -> list[tuple[str, int]]:
    """What a reader finds, each time that it is there."""
    captured = CapturedFiles.below((folder / "captured").as_uri())
    tables = [decode_table(Path(name).read_bytes()) for name in captured.names]
    assert captured.rows_of(captured.names) == sum(table.num_rows for table in tables)
    return sorted((row["perennial.key"], row["x"]) for table in tables for row in table.to_pylist())
