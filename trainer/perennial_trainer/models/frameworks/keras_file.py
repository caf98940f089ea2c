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
from typing import Any

import numpy as np

from perennial_trainer.contract.errors import RejectedTask, join_names

COLUMNS, CLASSES = "columns.skops", "classes.json"
# What a network of the trainer is made of; Keras's safe mode rejects code, this rejects every other class as well.
TRUSTED_CLASSES = frozenset(
    {"Sequential", "InputLayer", "Dense", "Dropout", "BatchNormalization", "LayerNormalization", "Rescaling"}
    | {"DTypePolicy", "GlorotUniform", "Zeros", "Ones"}
)


def dump_network(estimator: Any, preprocessing: bytes) -> bytes:
    """The file of a fitted network; `preprocessing` is a skops file."""
    import keras

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "network.keras"
        keras.saving.save_model(estimator.model_, path)
        with zipfile.ZipFile(path) as written:
            members = {name: written.read(name) for name in written.namelist()}
    metadata = json.loads(members["metadata.json"])
    del metadata["date_saved"]
    members["config.json"] = _number_shared_objects(members["config.json"].decode()).encode()
    members["metadata.json"] = json.dumps(metadata).encode()
    members[COLUMNS] = preprocessing
    members[CLASSES] = json.dumps(np.asarray(getattr(estimator, "classes_", [])).tolist()).encode()
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as target:
        for name in sorted(members):
            target.writestr(zipfile.ZipInfo(name), members[name])  # a ZipInfo has the same time always
    return result.getvalue()


def read_preprocessing(content: bytes) -> bytes:
    """The skops file of the preprocessing."""
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        return members.read(COLUMNS)


def load_network(uri: str, content: bytes) -> Any:
    """The fitted estimator of a file whose digest was checked.

    Raises RejectedTask: UntrustedArtifact, FrameworkNotInstalled.
    """
    try:
        import keras

        from perennial_trainer.models.frameworks.keras_estimators import Classifier, Regressor
    except ImportError as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"{uri} is a Keras model, and Keras is not part of this image: use the one it was trained with",
        ) from error
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        foreign = sorted(_class_names(json.loads(members.read("config.json"))) - TRUSTED_CLASSES)
        classes = json.loads(members.read(CLASSES))
    if foreign:
        raise RejectedTask("UntrustedArtifact", f"{uri} has classes that no stored network has: {join_names(foreign)}")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "network.keras"
        path.write_bytes(content)
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    estimator = Classifier() if classes else Regressor()
    estimator.model_ = network
    if classes:
        estimator.classes_ = np.array(classes, dtype=np.int64 if isinstance(classes[0], int) else object)
    return estimator


def _number_shared_objects(config: str) -> str:
    """The configuration with numbers instead of the memory addresses by which Keras identifies shared objects."""
    numbers: dict[str, int] = {}

    def replace_address(match: re.Match[str]) -> str:
        return match[1] + str(numbers.setdefault(match[2], len(numbers)))

    return re.sub(r'("shared_object_id": )(\d+)', replace_address, config)


def _class_names(node: Any) -> set[str]:
    """Every class that a configuration names."""
    if isinstance(node, list):
        return set().union(*map(_class_names, node))
    if not isinstance(node, dict):
        return set()
    own = {node["class_name"]} if "class_name" in node else set()
    return own.union(*map(_class_names, node.values()))
