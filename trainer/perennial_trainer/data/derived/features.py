"""Computes the derived features of rows: each by a function of a short list, from the other values of its row alone.

Files and requests come through here, so a derived feature is the same in training, validation, checks and the server.
Nothing is learned from rows and nothing in a declaration is evaluated.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, assert_never

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.features.functions import (
    Bins,
    Calendar,
    Clip,
    Derived,
    Difference,
    Interaction,
    Log1p,
    Ratio,
    Rule,
)
from perennial_trainer.data.categories import category_name, to_categories
from perennial_trainer.data.values.numbers import too_large

Floats = NDArray[np.float64]
Series = pd.Series

BETWEEN = " & "
"""Between the categories of an interaction."""


def derived_features(columns: Mapping[str, Any], features: Features) -> dict[str, Any]:
    """The derived features by name, in the order of their declarations: float64, or `str`; NaN is missing.

    `columns` are converted. A value is missing if one that it is computed from is, or if it is not defined.
    """
    known = dict(columns)
    for each in _in_order(features.derived):
        known[each.name] = _values(each.rule, known)
    return {each.name: known[each.name] for each in features.derived}


def derived_numbers(columns: Mapping[str, Floats], features: Features) -> dict[str, Floats]:
    """The derived numbers that are computed from numbers."""
    rules = {each.name: each.rule for each in features.derived if each.is_number}
    return {name: _numbers(rule, columns) for name, rule in rules.items() if not isinstance(rule, Calendar)}


def _in_order(derived: tuple[Derived, ...]) -> list[Derived]:
    """Numbers first, then bins, which may read them, then interactions, which may read both."""
    return sorted(derived, key=lambda each: (not each.is_number, each.interaction is not None))


def _values(rule: Rule, columns: Mapping[str, Any]) -> Any:
    match rule:
        case Bins(edges=edges):
            return _bins(np.asarray(columns[rule.column], dtype=np.float64), edges)
        case Interaction():
            return _joined(pd.DataFrame({name: to_categories(columns[name]) for name in rule.columns}))
        case _:
            return _numbers(rule, columns)


def _numbers(rule: Rule, columns: Mapping[str, Any]) -> Floats:
    """Without those too large to compute with, such as a ratio to a number near 0."""
    if isinstance(rule, Calendar):
        return _part(columns[rule.column], rule)
    with np.errstate(all="ignore"):
        values = _function(rule, [np.asarray(columns[name], dtype=np.float64) for name in rule.columns])
        return np.where(too_large(values), np.nan, values) + 0.0  # one zero: -0.0 has other bits


def _function(rule: Rule, read: list[Floats]) -> Floats:
    first, second = read[0], read[-1]
    match rule:
        case Log1p():
            return np.log1p(np.where(first > -1, first, np.nan))
        case Ratio():
            return np.asarray(first / np.where(second == 0, np.nan, second))
        case Difference():
            return np.asarray(first - second)
        case Clip(min=low, max=high):
            return np.asarray(np.clip(first, low, high))
        case Calendar() | Bins() | Interaction():
            raise AssertionError("not a function of numbers")
        case _:
            assert_never(rule)


def _part(times: "Series[Any]", rule: Calendar) -> Floats:
    """The part on the calendar of the time zone; weeks are those of ISO 8601, and Monday is 1."""
    local = pd.Series(times).dt.tz_convert(rule.time_zone)
    match rule.part:
        case "week":
            part = local.dt.isocalendar().week
        case "dayOfWeek":
            part = local.dt.day_of_week + 1
        case "dayOfMonth":
            part = local.dt.day
        case "dayOfYear":
            part = local.dt.day_of_year
        case _:
            part = getattr(local.dt, rule.part)
    return np.asarray(part.to_numpy(dtype=np.float64, na_value=np.nan))


def _bins(values: Floats, edges: tuple[float, ...]) -> "Series[Any]":
    """The name of the range in which each number lies; a range begins with its lower edge."""
    limits = [str(category_name(float(edge))) for edge in edges]
    between = [f"{low} to below {high}" for low, high in pairwise(limits)]
    names = pd.Series([f"below {limits[0]}", *between, f"from {limits[-1]}", np.nan], dtype="str")
    places = np.where(np.isnan(values), len(names) - 1, np.searchsorted(edges, values, side="right"))
    return names.take(places).reset_index(drop=True)


def _joined(parts: pd.DataFrame) -> "Series[Any]":
    return parts.iloc[:, 0].str.cat(parts.iloc[:, 1:], sep=BETWEEN)
