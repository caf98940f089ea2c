"""What a family of estimators provides: one module of this package for each family."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from perennial_trainer.contract.task import Model
from perennial_trainer.models.frameworks.allow_list import Nested

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

STEP = "model"
"""The last step of every pipeline: the estimator."""
TRANSFORMER = "transformer "
"""Begins the name of the step of each transformer of a package."""


class Framework(Protocol):
    """The interface that a module of a framework has; its estimators have the interface of scikit-learn's.

    Training, validation, drift checks and serving call `fit`, `predict`, `classes_` and, where it exists,
    `predict_proba` of a pipeline whose last step is the estimator. A module imports its library inside its functions
    if the library is not in every image.
    """

    @property
    def FILE_FORMATS(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """The formats of model files that the family stores; the name of a file ends in its format."""

    @property
    def LIBRARIES(self) -> tuple[str, ...]:  # noqa: N802
        """Distributions whose versions are recorded with a model, beside those that every model needs."""

    @property
    def CAN_BE_CALIBRATED(self) -> bool:  # noqa: N802
        """Whether `training.calibration` may be set."""

    def file_format(self, model: Model) -> str:
        """The format in which this model is stored."""

    def estimator_class(self, model: Model, field: str = "model") -> type[Any]:
        """The class of `<field>.estimator`. Raises RejectedTask: UnknownEstimator, FrameworkNotInstalled, …"""

    def parameter_names(self, estimator_class: type[Any]) -> list[str]:
        """The parameters that a task may name, in the order of the alphabet."""

    def nested_parameters(self, estimator_class: type[Any]) -> dict[str, Nested]:
        """Which of them are estimators; empty for a class that has none inside."""

    def defaults(self, estimator_class: type[Any]) -> dict[str, Any]:
        """The parameters that an estimator gets where the task names no value."""

    def check_values(self, estimator_class: type[Any], parameters: Mapping[str, Any]) -> None:
        """Raises an exception, whose text names the parameter, if the estimator does not take these values."""

    def fixed_iterations(self, estimator: Any) -> dict[str, Any] | None:
        """The parameters by which a refit does as many iterations as this fitted estimator, and stops at no score.

        Empty if its own parameters say so already; None if the number cannot be fixed.
        """

    def dump_pipeline(self, pipeline: "Pipeline", file_format: str) -> bytes:
        """The fitted pipeline as a file: the same bytes for the same pipeline, in every process."""

    def load_pipeline(self, uri: str, content: bytes, file_format: str) -> "Pipeline":
        """The fitted pipeline in the file. Raises RejectedTask: UntrustedArtifact, FrameworkNotInstalled."""
