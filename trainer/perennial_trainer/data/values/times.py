"""Reads the times of rows: ISO 8601, numbers since 1970, or the notation that `data.timeFormat` names."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from perennial_trainer.data.privacy import notation
from perennial_trainer.data.values.numbers import NULL_WORDS, text_to_floats
from perennial_trainer.data.values.unusable import Unusable

Column = Any  # a pandas Series, a NumPy array or a list
Floats = NDArray[np.float64]

EPOCHS = {"epoch-s": 1, "epoch-ms": 1_000, "epoch-us": 1_000_000, "epoch-ns": 1_000_000_000}
"""How many of the unit are a second."""
CALENDARS = {
    "yyyy": "%Y",
    "yyyymm": "%Y%m",
    "yyyymmdd": "%Y%m%d",
    "yyyymmddHH": "%Y%m%d%H",
    "yyyymmddHHMM": "%Y%m%d%H%M",
    "yyyymmddHHMMSS": "%Y%m%d%H%M%S",
}
_PLAUSIBLE_SECONDS = (1e8, 4.2e9)  # 1973 to 2103: the ranges of seconds, milli-, micro- and nanoseconds do not overlap
_PLAUSIBLE_YEARS = (1900, 2100)
_FIRST = pd.Timestamp("0001-01-01", tz="UTC")  # ISO 8601 of four digits, as every result has it, has no earlier time
_EXCEL_DAYS = (20_000, 75_000)  # 1954 to 2105
_EXCEL_EPOCH = -25_569 * 86_400  # 1899-12-30, in seconds
_COMMA = r"(:[0-9]{2}:[0-9]{2}|T[0-9]{6}),([0-9])"  # before the fraction of a second, as ISO 8601 prefers
_ZONE_WORD = r"\s?(?:UTC|GMT)$"


def readable_times(
    name: str, values: Column, time_format: str | None = None
) -> "tuple[pd.Series[Any], Unusable | None]":
    """The values as UTC times in microseconds, and which of them are present and not readable as times, if any.

    NaT is missing or unreadable; a time without a zone is UTC. Without a format, text is read as ISO 8601, and a number
    as yyyymmdd or as seconds, milli-, micro- or nanoseconds since 1970, whichever most of the numbers are. Another
    notation, two of them, or implausible years are unreadable as a whole: 03/04/2026 can be two different days.
    """
    series = _series(values)
    if series.dtype.kind == "M" or isinstance(series.dtype, pd.DatetimeTZDtype):
        return _read(name, series, series.notna().to_numpy(), pd.to_datetime(series, utc=True), "before the year 1")
    present = (series if pd.api.types.is_numeric_dtype(series.dtype) else _text(series)).notna().to_numpy()
    numbers = _numbers(series)
    if time_format and "%" in time_format:
        times = pd.to_datetime(_text(series), format=time_format, utc=True, errors="coerce")
        return _read(name, series, present, times, f"not of data.timeFormat {time_format}")
    if numbers is None and time_format:
        times = pd.Series(np.full(len(series), np.datetime64("NaT"), dtype="datetime64[us]"))
        return _read(name, series, present, times, f"not numbers, but data.timeFormat is {time_format}")
    if numbers is None:
        text = _text(series).str.upper().str.replace(_ZONE_WORD, "Z", regex=True)
        text = text.str.replace(_COMMA, r"\1.\2", regex=True)
        return _read(name, series, present, pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce"))
    if time_format:
        return _read(name, series, present, _times(numbers, time_format), f"not of data.timeFormat {time_format}")
    notation = _notation(numbers.floats)
    if isinstance(notation, _Undecided):
        return _read(name, series, present, _times(_Numbers(np.full(len(series), np.nan)), "epoch-s"), *notation)
    plausible = np.where(_is_plausible(notation, numbers.floats), numbers.floats, np.nan)
    times = _times(_Numbers(plausible, numbers.exact), notation)
    return _read(name, series, present, times, f"not plausible as {notation}")


def notation_of(values: Column) -> str | None:
    """The notation in which times that are numbers are read; None for text, and where it is not known."""
    numbers = _numbers(_series(values))
    notation = None if numbers is None else _notation(numbers.floats)
    return notation if isinstance(notation, str) else None


def written_time(time: pd.Timestamp, time_format: str | None) -> str:
    """A time in UTC as `readable_times` reads it with this format, and without one."""
    if time_format is None:
        return str(time)
    if units := EPOCHS.get(time_format):
        return str(int(time.timestamp() * 1_000_000) * units // 1_000_000)
    if time_format == "excel":
        return str((time.timestamp() - _EXCEL_EPOCH) / 86_400)
    return time.strftime(CALENDARS.get(time_format, time_format))


def _series(values: Column) -> "pd.Series[Any]":
    if isinstance(values, pd.Series):
        series = values.reset_index(drop=True)
    else:
        series = pd.Series(values, dtype=None if isinstance(values, np.ndarray) else object)
    return series.infer_objects()


def _text(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """The values as text; null words are missing."""
    if series.dtype.kind == "f" and (series.dropna() % 1 == 0).all():
        series = series.astype("Int64")  # 20260102.0 is a column of integers with a missing one
    if not isinstance(series.dtype, pd.StringDtype):
        series = series.astype(object).map(str, na_action="ignore").astype("str")
    text = series.str.strip()
    return text.where(~text.isin(NULL_WORDS))


@dataclass(frozen=True)
class _Numbers:
    """`exact` are the integers, if all are: nanoseconds since 1970 have too many digits for a float."""

    floats: Floats
    exact: "pd.Series[Any] | None" = None


def _numbers(series: "pd.Series[Any]") -> _Numbers | None:
    """The values as numbers, or None if most of the present values are not numbers."""
    if pd.api.types.is_bool_dtype(series.dtype):
        return None
    if pd.api.types.is_numeric_dtype(series.dtype):
        exact = series.astype("Int64") if pd.api.types.is_integer_dtype(series.dtype) else None
        return _Numbers(series.to_numpy(dtype=np.float64, na_value=np.nan), exact)
    if any(isinstance(value, (bool, np.bool_)) for value in series.head(1000)):
        return None
    text = _text(series)
    if not _mostly_numbers(*text_to_floats(pa.array(text.dropna().head(100), from_pandas=True))):
        return None
    floats, not_number = text_to_floats(pa.array(text, from_pandas=True))
    not_number |= np.isinf(floats) | text.str.lower().isin(["true", "false"]).to_numpy()
    floats = np.where(not_number, np.nan, floats)
    if not _mostly_numbers(floats, not_number):
        return None
    digits = text.where(~np.isnan(floats))
    if digits.dropna().str.fullmatch(r"[+-]?[0-9]{1,18}").all():
        return _Numbers(floats, digits.astype("Int64"))
    return _Numbers(floats)


def _mostly_numbers(floats: Floats, not_number: NDArray[np.bool_]) -> bool:
    return int((~np.isnan(floats)).sum()) > int(not_number.sum())


class _Undecided(NamedTuple):
    """Why the notation of numbers is not known, and the fix."""

    problem: str
    fix: str


def _notation(floats: Floats) -> str | _Undecided:
    """The only plausible notation of most of the numbers; the others are plausible in no usual notation."""
    present = floats[~np.isnan(floats)]
    if not len(present):
        return "epoch-s"
    usual = [notation for notation in ("yyyymmdd", *EPOCHS) if _is_plausible(notation, present).all()]
    other = [notation for notation in (*CALENDARS, "excel") if _is_plausible(notation, present).all()]
    if len(usual) == 1 and not set(other) - set(usual):
        return usual[0]
    if other:
        choices = " or ".join(dict.fromkeys([*other, *usual]))
        return _Undecided("numbers of more than one meaning or none", f"data.timeFormat {choices}")
    counts = {notation: int(_is_plausible(notation, present).sum()) for notation in (*EPOCHS, "yyyymmdd")}
    mixed = [f"{count} {notation}" for notation, count in counts.items() if count]
    if len(mixed) > 1:
        return _Undecided(f"of different notations ({', '.join(mixed)})", "one notation")
    commonest = max(counts, key=lambda notation: counts[notation])
    if 2 * counts[commonest] > len(present):
        return _notation(present[_is_plausible(commonest, present)])
    return _Undecided("not plausible as seconds since 1970 or yyyymmdd", "data.timeFormat, such as epoch-s")


def _is_plausible(notation: str, values: Floats) -> NDArray[np.bool_]:
    """Which numbers are times of a usual year in this notation."""
    if notation in EPOCHS:
        low, high = (limit * EPOCHS[notation] for limit in _PLAUSIBLE_SECONDS)
        return np.asarray((values >= low) & (values < high))
    if notation == "excel":
        return np.asarray((values >= _EXCEL_DAYS[0]) & (values < _EXCEL_DAYS[1]))
    digits = len(notation)
    low, high = (year * 10.0 ** (digits - 4) for year in (_PLAUSIBLE_YEARS[0], _PLAUSIBLE_YEARS[1] + 1))
    plausible = (values >= low) & (values < high) & (values == np.floor(values))
    plausible[plausible] = ~np.isnat(_calendar_times(values[plausible], notation))
    return np.asarray(plausible)


def _calendar_times(values: Floats, notation: str) -> NDArray[np.datetime64]:
    distinct, places = np.unique(values, return_inverse=True)
    texts = pd.Series([str(int(value)) for value in distinct], dtype="str")
    times = pd.to_datetime(texts, format=CALENDARS[notation], errors="coerce").to_numpy(dtype="datetime64[us]")
    return np.asarray(times[places])


def _times(numbers: _Numbers, notation: str) -> "pd.Series[Any]":
    """The time of each number that is one in the notation."""
    floats = numbers.floats
    present = ~np.isnan(floats)
    times = np.full(len(floats), np.datetime64("NaT"), dtype="datetime64[us]")
    if notation in CALENDARS:
        whole = present & (floats == np.floor(floats)) & (floats >= 0) & (floats < 1e15)
        times[whole] = _calendar_times(floats[whole], notation)
    else:
        microseconds = _since_1970(numbers, notation)
        in_range = present & (np.abs(floats * (86_400 if notation == "excel" else 1 / EPOCHS[notation])) < 2.5e11)
        times[in_range] = microseconds[in_range].astype("datetime64[us]")
    return pd.Series(times)


def _since_1970(numbers: _Numbers, notation: str) -> NDArray[np.int64]:
    if notation == "excel":
        seconds = np.round(np.nan_to_num(numbers.floats) * 86_400, 3) + _EXCEL_EPOCH
        return np.asarray(np.round(seconds * 1e6), dtype=np.int64)
    per_second = EPOCHS[notation]
    if numbers.exact is not None:
        exact = numbers.exact.fillna(0).to_numpy(dtype=np.int64)
        return exact // (per_second // 1_000_000) if per_second > 1_000_000 else exact * (1_000_000 // per_second)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.round(np.nan_to_num(numbers.floats) * (1e6 / per_second)).astype(np.int64)


def _read(
    name: str,
    series: "pd.Series[Any]",
    present: NDArray[np.bool_],
    times: "pd.Series[Any]",
    problem: str = "not times",
    fix: str = "ISO 8601 (2026-11-22T13:00:00Z), or say in data.timeFormat what they are",
) -> "tuple[pd.Series[Any], Unusable | None]":
    """The times in UTC, and the present values that did not become one."""
    times = _microseconds(times)
    times = times.mask(times < _FIRST)
    unreadable = present & times.isna().to_numpy()
    if not unreadable.any():
        return times, None
    example = notation(str(series[unreadable].iloc[0])[:60])
    verb = "set" if fix.startswith("data.") else "write"
    problem = f"values of the time column {name} are {problem}, written as {example}"
    return times, Unusable(unreadable, "UnreadableTime", problem, f"{verb} {fix}")


def _microseconds(times: "pd.Series[Any]") -> "pd.Series[Any]":
    times = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    return times.astype("datetime64[us, UTC]")
