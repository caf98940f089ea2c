"""Values as numbers of 64 bits, by which rows are compared."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def bits_of(values: "pd.Series[Any]") -> NDArray[np.uint64]:
    """Each value as 64 bits: equal values have equal bits."""
    if values.dtype.kind == "f":
        return values.to_numpy().view(np.uint64)
    if values.dtype.kind == "M":
        return values.to_numpy(dtype="datetime64[us]").view(np.uint64)
    codes, uniques = pd.factorize(values)
    hashes = pd.util.hash_array(uniques.to_numpy(dtype=object), categorize=False)
    return np.append(hashes, np.uint64(0))[codes]  # code -1, a missing value, takes the last hash
