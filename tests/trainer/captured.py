"""Captured rows and labels, as the model server and people write them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from perennial_trainer.captured.encoding import encode_table
from perennial_trainer.captured.keys import captured_key, is_captured
from perennial_trainer.captured.layout import (
    FORMAT,
    KEY,
    METADATA_FORMAT,
    ROW,
    SHADOW,
    TIME,
    VERSION,
    WEIGHT,
    file_name,
    hour_folder,
)

KEY_SECRET = b"a secret of the model's own"
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def capture(
    rows: pd.DataFrame,
    folder: Path,
    key: str,
    time: str,
    share: float = 1,
    shadow: bool = False,
    pod: str = "pod",
    version: str = "progression-v1",
) -> str:
    """The URI of the captured rows: those of the chosen keys, by hour, without `key`, `time` and the targets."""
    chosen = rows[[is_captured(KEY_SECRET, each, share) for each in rows[key]]]
    table = chosen.drop(columns=[key, time, "target"], errors="ignore").assign(
        **{
            TIME: chosen[time].astype("datetime64[us, UTC]"),
            KEY: [captured_key(KEY_SECRET, each) for each in chosen[key]],
            ROW: chosen.groupby(key).cumcount().astype(np.int32),
            VERSION: version,
            WEIGHT: 1 / share,
            SHADOW: shadow,
        }
    )
    for number, (hour, part) in enumerate(table.groupby(table[TIME].dt.floor("h"))):
        file = Path(hour_folder(str(folder), hour.to_pydatetime())) / file_name(pod, "1-1", number + 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = pa.Table.from_pandas(part, preserve_index=False)
        file.write_bytes(encode_table(rows.replace_schema_metadata({METADATA_FORMAT: FORMAT.encode()})))
    return folder.as_uri()


def captured(uri: str, labels: str | None = None, **changes: Any) -> Mapping[str, Any]:
    """The field `captured` of a task."""
    of = {"labels": {"uri": labels, "key": "id", "mature": "1d", **changes}} if labels else {}
    return {"uri": uri, **of}
