"""What the operator asks for: the JSON in PERENNIAL_TASK as frozen values.

The shapes are those of tests/contract/task.schema.json; rules that JSON Schema cannot state (a column with
two roles, say) are checked here as well, so that a bad task ends before anything is read.
"""

from collections import Counter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.metric_table import SLICE_METRICS

Name = Annotated[str, Meta(min_length=1, max_length=63)]
Uri = Annotated[str, Meta(pattern="^[a-z0-9]+://")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Window = Annotated[str, Meta(pattern="^(auto|all|[1-9][0-9]*(s|m|h|d))$")] | Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Kind = Literal["regression", "classification"]
Calibration = Literal["sigmoid", "isotonic"]


class StrictStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A frozen part of a task; unknown fields are refused."""


class Features(StrictStruct, frozen=True, kw_only=True):
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.numeric + self.categorical


class Model(StrictStruct, frozen=True, kw_only=True):
    framework: str
    format: Literal["joblib", "skops"]
    estimator: str
    parameters: dict[str, Any]
    task: Kind
    features: Features
    target: str

    def __post_init__(self) -> None:
        if not self.features.names:
            raise ValueError("features names no column: list at least one under numeric or categorical")
        twice = [name for name, times in Counter((*self.features.names, self.target)).items() if times > 1]
        if twice:
            raise ValueError(f"{join_names(twice)} is named more than once among features and target: keep one role")


class Version(StrictStruct, frozen=True, kw_only=True):
    """A stored version: its model file, whose digest is checked before it is loaded; other files lie beside it."""

    name: Name
    uri: Uri
    sha256: Sha256


class Holdout(StrictStruct, frozen=True, kw_only=True):
    uri: Uri
    sha256: Sha256


class Cleaning(StrictStruct, frozen=True, kw_only=True):
    missing: Literal["drop", "impute", "fail"]
    duplicates: Literal["drop", "keep"]
    outliers: Literal["keep", "clip", "drop"]


class TrainingData(StrictStruct, frozen=True, kw_only=True):
    uri: Uri
    time_column: str | None = None
    window: Window
    holdout: Annotated[float, Meta(gt=0, lt=1)]
    cleaning: Cleaning
    min_rows: Annotated[int, Meta(ge=1)]
    max_missing: Share


class RecentData(StrictStruct, frozen=True, kw_only=True):
    uri: Uri
    time_column: str | None = None
    window: Window


class Search(StrictStruct, frozen=True, kw_only=True):
    method: Literal["grid", "random", "halving"]
    space: Annotated[dict[str, Annotated[list[Any], Meta(min_length=1)]], Meta(min_length=1)]
    folds: Annotated[int, Meta(ge=2)]
    scoring: str | None = None
    iterations: Annotated[int, Meta(ge=1)]


class Dask(StrictStruct, frozen=True, kw_only=True):
    workers: Annotated[int, Meta(ge=1)] | None = None
    address: Annotated[str, Meta(pattern="^(tcp|tls)://")] | None = None

    def __post_init__(self) -> None:
        if (self.workers is None) == (self.address is None):
            raise ValueError("engine.dask takes either workers or an address: give one of them")


class Engine(StrictStruct, frozen=True, kw_only=True):
    dask: Dask


class Against(StrictStruct, frozen=True, kw_only=True):
    metric: str
    confidence: Annotated[float, Meta(gt=0.5, lt=1)]


class SliceBy(StrictStruct, frozen=True, kw_only=True):
    """The groups of a feature, by each of which the candidate is compared with the live version."""

    column: str
    metric: str

    def __post_init__(self) -> None:
        if self.metric not in SLICE_METRICS:
            raise ValueError(f"slices.metric {self.metric} has no ratio: choose one of {join_names(SLICE_METRICS)}")


class Subject(StrictStruct, frozen=True, kw_only=True, tag_field="task"):
    """What every task says: whose model it is about."""

    namespace: Name
    model_deployment: Name
    version: Name
    model: Model


class TrainTask(Subject, frozen=True, kw_only=True, tag="train"):
    data: TrainingData
    search: Search | None = None
    calibration: Calibration | None = None
    live: Version | None = None
    known_rows: Sha256 | None = None  # that made the live version: the same again are no reason to train
    engine: Engine | None = None
    storage: Uri  # the version's own folder

    def __post_init__(self) -> None:
        _check_time_column(self.data.time_column, self.model)
        if self.calibration and self.model.task != "classification":
            raise ValueError(f"calibration {self.calibration} is for probabilities of classes: leave it out")


class ValidateTask(Subject, frozen=True, kw_only=True, tag="validate"):
    candidate: Version
    live: Version | None = None
    holdout: Holdout
    against: Against | None = None
    slices: tuple[SliceBy, ...] = ()
    storage: Uri

    def __post_init__(self) -> None:
        unknown = [each.column for each in self.slices if each.column not in self.model.features.names]
        if unknown:
            raise ValueError(
                f"slices names {join_names(unknown)}, which is no feature: the rows are kept with features only"
            )


class CheckTask(Subject, frozen=True, kw_only=True, tag="check"):
    live: Version
    data: RecentData
    storage: Uri  # the check's own folder
    predictions: bool = True  # whether the model is asked for its answers where the target is not known

    def __post_init__(self) -> None:
        _check_time_column(self.data.time_column, self.model)


class ServeTask(Subject, frozen=True, kw_only=True, tag="serve"):
    artifact: Version
    port: Annotated[int, Meta(ge=1, le=65535)]


class WorkTask(StrictStruct, frozen=True, kw_only=True, tag_field="task", tag="work"):
    namespace: Name
    model_deployment: Name
    version: Name
    scheduler: Annotated[str, Meta(pattern="^tcp://.+:[0-9]+$")]


class Entry(StrictStruct, frozen=True, kw_only=True):
    """What became of a version and when, and what an empty cluster needs to have it again; `name` tells the three."""

    name: Annotated[str, Meta(pattern="^[0-9]{8}T[0-9]{6}Z-v[1-9][0-9]*-(Live|Rejected|RolledBack)$")]
    trigger: dict[str, Any]
    parent: Name | None = None
    recipe: dict[str, Any]
    status: dict[str, Any]

    def __post_init__(self) -> None:
        try:
            msgspec.convert(self.status, Stored)
        except msgspec.ValidationError:
            raise ValueError("status does not say where artifact and holdout are stored, and their digests") from None

    @property
    def stored(self) -> "Stored":
        return msgspec.convert(self.status, Stored)


class StoredModel(msgspec.Struct, frozen=True):
    uri: Uri
    sha256: Sha256


class StoredHoldout(msgspec.Struct, frozen=True, rename="camel"):
    holdout_uri: Uri
    holdout_sha256: Sha256


class Stored(msgspec.Struct, frozen=True):
    """The files that a version's status names; whatever else it says is the operator's business."""

    artifact: StoredModel
    data: StoredHoldout


class RecordTask(StrictStruct, frozen=True, kw_only=True, tag_field="task", tag="record"):
    namespace: Name
    model_deployment: Name
    version: Name
    entry: Entry
    storage: Uri  # the model's folder, in which the versions' lie


class RecoverTask(StrictStruct, frozen=True, kw_only=True, tag_field="task", tag="recover"):
    namespace: Name
    model_deployment: Name
    version: Name | None = None  # exactly this one; by itself the one that was live last
    recipe: dict[str, Any]  # what is asked for now
    storage: Uri


Task = TrainTask | ValidateTask | CheckTask | ServeTask | WorkTask | RecordTask | RecoverTask


def parse(text: str | bytes) -> Task:
    """The task, or a RejectedTask (`InvalidTask`) that names the field."""
    try:
        task: Task = msgspec.json.decode(text, type=Task)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or "the task"
        raise RejectedTask("InvalidTask", f"{field} in PERENNIAL_TASK is not valid: {problem}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedTask("InvalidTask", f"PERENNIAL_TASK is not JSON: {error}") from error
    return task


def _check_time_column(name: str | None, model: Model) -> None:
    """A numeric feature may be the time as well, a category or the target may not."""
    if name is not None and name in (*model.features.categorical, model.target):
        raise ValueError(f"data.timeColumn {name} is a categorical feature or the target as well: keep one role")
