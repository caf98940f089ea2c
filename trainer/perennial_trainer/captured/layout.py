"""Where captured rows are, and what their files have. The model server writes them; trainings and checks read them.

A file is parquet, written once and whole, below `captured/date=2026-11-29/hour=14/` in the model's folder: the day and
the hour in UTC of its requests. Beside the columns here it has the inputs of the model under their own names: numbers
as doubles, categories and texts as strings, times as timestamps in UTC. A reader ignores names that begin with a dot.

The same key may have rows in several files: of a request that was sent again, and of each version that answered it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from perennial_trainer.contract.capture.settings import RESERVED
from perennial_trainer.storage.store import child_uri

FOLDER = "captured"
FORMAT = "1"
PREFIX = RESERVED
"""No feature and no target has a name that begins with this."""

TIME = "perennial.time"
"""Timestamp in microseconds, UTC: when the server had the request."""
KEY = "perennial.key"
"""String: what `keys.captured_key` makes of the request's key, or that key itself with `keyInClear`."""
ROW = "perennial.row"
"""32-bit integer: the row's place, from 0, among those of its request that have the same key."""
VERSION = "perennial.version"
"""String: the ModelVersion that answered."""
WEIGHT = "perennial.weight"
"""Double: for how many rows it stands, which is 1 / share."""
PREDICTION = "perennial.prediction"
"""Double of a regression, else string: the class as `category_name` names it."""
PROBABILITY = "perennial.probability."
"""Prefix of a double for each class, of a classifier that has probabilities."""
SHADOW = "perennial.shadow"
"""Boolean: the request was a copy, whose answer no one got."""

METADATA_FORMAT = b"perennial.format"
METADATA_POD = b"perennial.pod"
METADATA_PROCESS = b"perennial.process"
"""The start of the server's process, in seconds since 1970, and its id."""
METADATA_SEQUENCE = b"perennial.sequence"
"""The buffers of a process are numbered from 1: a missing number is a buffer that was lost."""

_PROCESS, _SEQUENCE = r"[A-Za-z0-9][A-Za-z0-9._-]*-\d+-\d+", r"(?:\d{8}|[1-9]\d{8,})"
DAY = re.compile(r"date=(?P<date>\d{4}-\d{2}-\d{2})")
FILE = re.compile(rf"(?P<source>hour=(?:[01]\d|2[0-3])/{_PROCESS})-(?P<sequence>{_SEQUENCE})\.parquet")
"""The folder of a day, and what the server writes into it."""
WRITING = ".writing"
BEGUN = re.compile(rf"{re.escape(WRITING)}/{_PROCESS}-{_SEQUENCE}\.parquet")
"""On a volume a file is complete in this folder before it gets its name; one that stays there was never complete."""


def probability_columns(classes: Sequence[int | str]) -> list[str]:
    """The columns of the probabilities, by class."""
    return [f"{PROBABILITY}{each}" for each in classes]


def captured_folder(model_folder: str) -> str:
    """The URI of the captured rows of the model whose folder this is: `<storage>/<namespace>/<name>`."""
    return child_uri(model_folder, FOLDER)


def hour_folder(captured: str, at: datetime) -> str:
    """The URI of the folder of the rows of this hour."""
    return child_uri(captured, f"{at.astimezone(UTC):date=%Y-%m-%d/hour=%H}")


def file_name(pod: str, process: str, sequence: int) -> str:
    return f"{pod}-{process}-{sequence:08}.parquet"
