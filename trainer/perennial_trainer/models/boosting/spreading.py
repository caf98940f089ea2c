"""Where the estimators of LightGBM and XGBoost are fitted: in this process, or on rows that are spread over others."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Spreading(Protocol):
    """What fits the estimators of the libraries' Dask interfaces, `remote`."""

    def fitted(self, remote: Any, rows: Any, target: Any, weights: Any) -> Any:
        """`remote`, fitted to all rows; `rows` are taken from by their positions, as from an array."""


_SPREADING: ContextVar[Spreading | None] = ContextVar("spreading", default=None)


@contextmanager
def spread_by(spreading: Spreading) -> Iterator[None]:
    """While the context lasts, estimators that are fitted in this thread spread their rows."""
    token = _SPREADING.set(spreading)
    try:
        yield
    finally:
        _SPREADING.reset(token)


def current_spreading() -> Spreading | None:
    return _SPREADING.get()
