"""The task: the JSON in PERENNIAL_TASK as frozen values.

They follow tests/contract/task.schema.json. Rules that JSON Schema cannot express, such as one role for each column,
are checked here too, so that an invalid task ends before any file is read.
"""

from collections import Counter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from perennial_trainer.contract.capture.settings import RESERVED, Capture
from perennial_trainer.contract.compression import decompress
from perennial_trainer.contract.data import Challenger, RecentData, TrainingData
from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.features.roles import check_other_columns, check_time_column
from perennial_trainer.contract.fields import AwareTime, Name, Sha256, StrictStruct, Uri
from perennial_trainer.contract.ledger_tasks import RecordTask, RecoverTask
from perennial_trainer.contract.metric_table import SLICE_METRICS
from perennial_trainer.contract.owner import Owner
from perennial_trainer.contract.thresholds import PreviousCheck, Threshold
from perennial_trainer.contract.upkeep.tasks import UpkeepTask

Kind = Literal["regression", "classification"]
Calibration = Literal["sigmoid", "isotonic"]
Blending = Literal["fits", "weights", "whole"]


class Model(StrictStruct, frozen=True, kw_only=True, omit_defaults=True):
    framework: str
    format: Literal["joblib", "skops"]
    estimator: str
    parameters: dict[str, Any]
    task: Kind
    features: Features
    target: str
    positive_class: str | None = None  # the class that f1, precision and recall are of

    def __post_init__(self) -> None:
        if not self.features.names:
            raise ValueError("features is empty: list at least one column under numeric or categorical")
        repeated = [name for name, times in Counter((*self.features.names, self.target)).items() if times > 1]
        if repeated:
            raise ValueError(f"{join_names(repeated)} is named more than once among features and target: keep one role")
        taken = [
            name for name in (*self.features.names, *self.features.inputs, self.target) if name.startswith(RESERVED)
        ]
        if taken:
            raise ValueError(f"{join_names(taken)} begins with {RESERVED!r}, as columns of captured rows do: rename it")
        if self.target in self.features.inputs:
            raise ValueError(f"a derived feature reads the target {self.target}, which is not known at prediction")
        if self.features.transformers and (self.framework, self.format) != ("sklearn", "joblib"):
            raise ValueError("features.transformers need framework sklearn and format joblib: change these")
        if self.positive_class is not None and self.task != "classification":
            raise ValueError(f"positiveClass {self.positive_class} is for classification: leave it out")


class Version(StrictStruct, frozen=True, kw_only=True):
    """A stored version: its model file, whose digest is checked before it is loaded. Its other files are beside it.

    `metadata_sha256` is the digest of metadata.json, which has the digests of the other files; None for a version of a
    trainer that did not report it. Without a `format` the end of the model file's name decides.
    """

    name: Name
    uri: Uri
    sha256: Sha256
    format: Literal["joblib", "skops", "keras"] | None = None
    metadata_sha256: Sha256 | None = None


class Holdout(StrictStruct, frozen=True, kw_only=True):
    uri: Uri
    sha256: Sha256


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


class ModelTask(StrictStruct, frozen=True, kw_only=True, tag_field="task"):
    """The fields of every task about a model."""

    namespace: Name
    model_deployment: Name
    version: Name
    model: Model


class RejectedRows(StrictStruct, frozen=True, kw_only=True):
    """The digest of the rows of a candidate that was rejected."""

    name: Name
    sha256: Sha256


class RefusedFiles(StrictStruct, frozen=True, kw_only=True):
    """The digest of the files for which the training of a version was refused."""

    name: Name
    sha256: Sha256


class Adopt(StrictStruct, frozen=True, kw_only=True):
    """An existing model, which becomes the version instead of one that is fitted."""

    uri: Uri
    sha256: Sha256
    format: Literal["skops", "lightgbm", "xgboost", "joblib"]
    allow_code: bool = False  # whether the administrator allows joblib, which runs the file's code


class Trigger(StrictStruct, frozen=True, kw_only=True):
    """What asked for a training, for the page of the version."""

    reason: Annotated[str, Meta(min_length=1, max_length=63)]
    message: Annotated[str, Meta(max_length=1000)] = ""


class TrainTask(ModelTask, frozen=True, kw_only=True, tag="train"):
    data: TrainingData
    search: Search | None = None
    calibration: Calibration | None = None
    adopt: Adopt | None = None
    live: Version | None = None
    known_rows: Sha256 | None = None  # of the live version: a training on the same rows is rejected
    rejected_rows: tuple[RejectedRows, ...] = ()  # of candidates that would be rejected again
    refused_files: RefusedFiles | None = None  # a training on the same files is refused before they are read
    engine: Engine | None = None
    owner: Owner | None = None
    now: AwareTime | None = None  # later times, by more than a day, are mistakes and decide nothing
    trigger: Trigger | None = None
    refit: bool = False  # whether a second model is fitted to all rows, the holdout included
    blend: Blending | None = None  # whether models of the live version are blended with new fits, or only weighed again
    storage: Uri  # the version's own folder

    def __post_init__(self) -> None:
        check_time_column(self.data.time_column, self.model.features, self.model.target)
        check_other_columns(self.data, self.model.features, self.model.target)
        if self.calibration and self.model.task != "classification":
            raise ValueError(f"calibration {self.calibration} is for probabilities of classes: leave it out")
        if self.adopt and (self.live or self.model.framework != "sklearn"):
            raise ValueError("adopt makes the first version of framework sklearn: leave it out")


class ValidateTask(ModelTask, frozen=True, kw_only=True, tag="validate"):
    candidate: Version
    refit: Version | None = None  # the candidate's second model
    live: Version | None = None
    holdout: Holdout
    against: Against | None = None
    slices: tuple[SliceBy, ...] = ()
    owner: Owner | None = None
    storage: Uri


class CheckTask(ModelTask, frozen=True, kw_only=True, tag="check"):
    live: Version
    data: RecentData
    storage: Uri  # the check's own folder
    owner: Owner | None = None
    predictions: bool = True  # whether rows without a target are predicted
    thresholds: tuple[Threshold, ...] = ()
    min_samples: int | None = None  # a check with fewer rows is ignored; the page says so
    previous: tuple[PreviousCheck, ...] = ()  # the oldest first
    challenger: Challenger | None = None
    against: Version | None = None  # is asked for the same rows: `live` is the version that takes its place
    now: AwareTime | None = None  # later times, by more than a day, are mistakes and decide nothing

    def __post_init__(self) -> None:
        check_time_column(self.data.time_column, self.model.features, self.model.target)
        if self.against and self.challenger:
            raise ValueError("a check compares with a challenger or against a version: leave one out")


class ServeTask(ModelTask, frozen=True, kw_only=True, tag="serve"):
    artifact: Version
    port: Annotated[int, Meta(ge=1, le=65535)]
    capture: Capture | None = None

    def __post_init__(self) -> None:
        if self.capture:
            self.capture.check(self.model.features)


class WorkTask(StrictStruct, frozen=True, kw_only=True, tag_field="task", tag="work"):
    namespace: Name
    model_deployment: Name
    version: Name
    scheduler: Annotated[str, Meta(pattern="^tcp://.+:[0-9]+$")]


Task = TrainTask | ValidateTask | CheckTask | ServeTask | WorkTask | RecordTask | RecoverTask | UpkeepTask


def parse_task(text: str | bytes) -> Task:
    """The task, which may be compressed. Raises RejectedTask (InvalidTask), which names the field."""
    try:
        content = decompress(text.encode() if isinstance(text, str) else text)
        task: Task = msgspec.json.decode(content, type=Task)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or "the task"
        raise RejectedTask("InvalidTask", f"{field} in PERENNIAL_TASK is not valid: {problem}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedTask("InvalidTask", f"PERENNIAL_TASK is not JSON: {error}") from error
    except ValueError as error:
        raise RejectedTask("InvalidTask", f"PERENNIAL_TASK cannot be read: {error}") from error
    return task
