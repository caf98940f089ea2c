"""Which rows have a time in the future: a mistake, since rows are recorded after they happen."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE_HOURS = 24  # clocks and time zones differ


def in_future(times: "pd.Series[Any]", now: datetime | None) -> NDArray[np.bool_]:
    """Which times are later than a day after `now`; a missing time is not, and without `now` none is."""
    if now is None:
        return np.zeros(len(times), dtype=bool)
    return np.asarray(times > latest(now), dtype=bool)


def latest(now: datetime) -> "pd.Timestamp":
    """The latest time that is not in the future."""
    import pandas as pd

    return pd.Timestamp(now) + pd.Timedelta(hours=TOLERANCE_HOURS)


def iso_of_newest(times: "pd.Series[Any]") -> str:
    from perennial_trainer.data.window import iso_time

    return iso_time(times.max())
