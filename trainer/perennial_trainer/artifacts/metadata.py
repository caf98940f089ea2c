"""The metadata of a version: all inputs of its training, enough to build it again bit for bit."""

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from perennial_trainer.contract.data import TrainingData
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.fields import StrictStruct
from perennial_trainer.contract.task import Calibration, Model, Search, Version
from perennial_trainer.storage import store
from perennial_trainer.storage.version_files import METADATA, StoredFile, read_metadata

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "pyarrow", "joblib", "skops")  # of every model


class FittedHistory(StrictStruct, frozen=True, kw_only=True):
    """The rows that were known when the newest model of the version was fitted, and the time of the newest of them.

    `whole` is how many were known when the newest model of the whole history was fitted.
    """

    rows: int
    whole: int
    end: str | None = None


class DataRecord(StrictStruct, frozen=True, kw_only=True):
    """The rows after cleaning: `sha256` is the digest of all of them in order, `roles` has the role of each column."""

    sha256: str
    roles: dict[str, str]
    rows: int
    holdout_rows: int
    start: str | None = None
    end: str | None = None
    trained_until: str | None = None  # the time of the newest training row
    span: str  # of the history: the result of data.window
    counts: dict[str, int]
    history: FittedHistory | None = None
    snapshot: str | None = None  # which state of a table was read


class AdoptedModel(StrictStruct, frozen=True, kw_only=True):
    """The file that the model was adopted from; nothing was fitted, and the rows that it has learned are not known."""

    uri: str
    sha256: str
    format: str
    estimator: str


class Metadata(StrictStruct, frozen=True, kw_only=True):
    """Everything that the version's bytes depend on. It is written last: if it exists, the version is complete."""

    namespace: str
    model_deployment: str
    version: str
    model: Model
    parameters: dict[str, Any]
    source: TrainingData
    search: Search | None = None
    calibration: Calibration | None = None
    adopted: AdoptedModel | UnsetType = UNSET
    data: DataRecord
    seed: int
    python: str
    libraries: dict[str, str]
    files: dict[str, StoredFile]

    @property
    def estimator(self) -> str:
        """What predicts: the class of an adopted model, else that of the task."""
        return self.adopted.estimator if self.adopted else self.model.estimator


def library_versions(of_framework: tuple[str, ...]) -> dict[str, str]:
    """The installed version of each library that a model depends on."""
    versions = {}
    for name in (*LIBRARIES, *of_framework):
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def python_version() -> str:
    return platform.python_version()


def encode_metadata(record: StrictStruct) -> bytes:
    """The record as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2)


def load_metadata(version: Version) -> Metadata:
    """The metadata beside a stored version. A RejectedTask: ArtifactMissing, DigestMismatch, UnreadableMetadata."""
    uri = store.sibling_uri(version.uri, METADATA)
    try:
        return msgspec.json.decode(read_metadata(version.uri, version.metadata_sha256), type=Metadata)
    except FileNotFoundError as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} does not exist, so version {version.name} is incomplete"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedTask("UnreadableMetadata", f"{uri} is not metadata of this trainer: {error}") from error
