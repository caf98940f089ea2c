"""LightGBM's library without its Python package, which takes a second to import and brings pandas and scikit-learn.

Its functions are those of https://lightgbm.readthedocs.io/en/stable/C-API.html.
"""

import ctypes
import weakref
from functools import cache
from importlib.metadata import files
from typing import Any

import numpy as np

from perennial_trainer.compiled.columns import Floats

FLOAT64, BY_ROWS, ANSWERS, ALL = 1, 1, 0, -1


class LightGBMError(Exception):
    """The library's own message."""


class Booster:
    """Trees that LightGBM's library has loaded from the text that it writes. Raises LightGBMError, OSError."""

    def __init__(self, model: bytes) -> None:
        self._handle = ctypes.c_void_p()
        _call("LGBM_BoosterLoadModelFromString", model, ctypes.byref(ctypes.c_int()), ctypes.byref(self._handle))
        weakref.finalize(self, _library().LGBM_BoosterFree, self._handle)
        self.trees = self._count("LGBM_BoosterNumberOfTotalModel")
        """How many there are."""
        self._outputs = self._count("LGBM_BoosterNumModelPerIteration")

    def predict(self, matrix: Floats) -> Floats:
        """The answers to the rows of [n, features], or the chances of m classes, of shape [n, m]; in one thread."""
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        given, written = np.empty((len(matrix), self._outputs)), ctypes.c_int64()
        shape = map(ctypes.c_int32, matrix.shape)
        _call(
            "LGBM_BoosterPredictForMat",
            *(self._handle, ctypes.c_void_p(matrix.ctypes.data), FLOAT64, *shape, BY_ROWS, ANSWERS, 0, ALL),
            *(b"num_threads=1", ctypes.byref(written), ctypes.c_void_p(given.ctypes.data)),
        )
        return given

    def _count(self, function: str) -> int:
        count = ctypes.c_int()
        _call(function, self._handle, ctypes.byref(count))
        return count.value


@cache
def _library() -> Any:
    matching = [each for each in files("lightgbm") or [] if each.name.startswith("lib_lightgbm.")]
    if not matching:
        raise OSError("the package lightgbm has no library lib_lightgbm: install it from a wheel")
    library = ctypes.CDLL(str(matching[0].locate()))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _call(function: str, *arguments: Any) -> None:
    library = _library()
    if getattr(library, function)(*arguments):
        raise LightGBMError(library.LGBM_GetLastError().decode(errors="replace"))
