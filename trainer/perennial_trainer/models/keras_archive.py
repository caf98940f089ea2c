"""A fitted network with its preprocessing in one `.keras` file, the same bytes for the same network.

The file is what Keras writes and reads, with two more members: `columns.skops`, the preprocessing, and `classes.json`.
One digest covers all of it, and no part of it runs code when it is loaded.
"""

import io
import json
import re
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial_trainer.contract.errors import RejectedTask, join_names

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

COLUMNS, CLASSES = "columns.skops", "classes.json"
# What a network of ours is made of; Keras's safe mode refuses code, this refuses everything else as well.
PARTS = frozenset(
    {"Sequential", "InputLayer", "Dense", "Dropout", "BatchNormalization", "LayerNormalization", "Rescaling"}
    | {"DTypePolicy", "GlorotUniform", "Zeros", "Ones"}
)


def dumps(pipeline: "Pipeline", columns: bytes) -> bytes:
    """The file; `columns` is the preprocessing as skops writes it."""
    import keras

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "network.keras"
        keras.saving.save_model(pipeline[-1].model_, path)
        with zipfile.ZipFile(path) as written:
            members = {name: written.read(name) for name in written.namelist()}
    about = json.loads(members["metadata.json"])
    del about["date_saved"]
    members["config.json"] = _without_addresses(members["config.json"].decode()).encode()
    members["metadata.json"] = json.dumps(about).encode()
    members[COLUMNS] = columns
    members[CLASSES] = json.dumps(np.asarray(getattr(pipeline[-1], "classes_", [])).tolist()).encode()
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as target:
        for name in sorted(members):
            target.writestr(zipfile.ZipInfo(name), members[name])  # whose time is always the same
    return result.getvalue()


def columns_of(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        return members.read(COLUMNS)


def loads(uri: str, content: bytes) -> Any:
    """The fitted estimator in bytes whose digest was checked; else RejectedTask: UntrustedArtifact."""
    try:
        import keras

        from perennial_trainer.models.keras_estimators import Classifier, Regressor
    except ImportError as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"{uri} is a Keras model, and Keras is not part of this image: use the one it was trained with",
        ) from error
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        foreign = sorted(_classes(json.loads(members.read("config.json"))) - PARTS)
        classes = json.loads(members.read(CLASSES))
    if foreign:
        raise RejectedTask(
            "UntrustedArtifact", f"{uri} holds parts that no network of ours holds: {join_names(foreign)}"
        )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "network.keras"
        path.write_bytes(content)
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    estimator = Classifier() if classes else Regressor()
    estimator.model_ = network
    if classes:
        estimator.classes_ = np.array(classes, dtype=np.int64 if isinstance(classes[0], int) else object)
    return estimator


def _without_addresses(config: str) -> str:
    """Keras tells shared parts by their addresses in memory; here they are numbered."""
    numbers: dict[str, int] = {}
    return re.sub(
        r'("shared_object_id": )(\d+)', lambda found: found[1] + str(numbers.setdefault(found[2], len(numbers))), config
    )


def _classes(node: Any) -> set[str]:
    """Every class that a configuration names."""
    if isinstance(node, list):
        return set().union(*map(_classes, node))
    if not isinstance(node, dict):
        return set()
    own = {node["class_name"]} if "class_name" in node else set()
    return own.union(*map(_classes, node.values()))
