"""Requests of the Open Inference Protocol v2, as a client writes them."""

from typing import Any

import pandas as pd

DATATYPES = {"temp": "FP64", "hum": "FP64", "season": "BYTES"}


def tensor(name: str, data: list[Any], **changes: Any) -> dict[str, Any]:
    """One feature as an input of shape [n]; with a change to None, that field is left out."""
    fields = {"name": name, "shape": [len(data)], "datatype": DATATYPES.get(name, "FP64"), "data": data} | changes
    return {key: value for key, value in fields.items() if value is not None}


def request(frame: pd.DataFrame, **fields: Any) -> dict[str, Any]:
    """One input for each column of the frame."""
    return {"inputs": [tensor(name, frame[name].tolist()) for name in frame.columns], **fields}


ROWS = pd.DataFrame({"temp": [0.1, 0.5, 0.9], "hum": [0.3, 0.2, 0.8], "season": ["1", "3", "2"]})
