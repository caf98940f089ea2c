"""Is a version made from the spec, as far as that determines a model?"""

from __future__ import annotations

from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.model_deployment import ModelDeploymentSpec
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.places import Place
from perennial_operator.core.api.training import TrainingSpec


def recipe(spec: ModelDeploymentSpec) -> tuple[object, ...]:
    """What determines a model. If it differs from the live version's, the spec is not what is served."""
    return _recipe(spec.model, spec.data, spec.training)


def version_recipe(version: ModelVersion) -> tuple[object, ...]:
    return _recipe(version.spec.model, version.spec.data, version.spec.training)


def _recipe(model: object, data: DataSpec, how: TrainingSpec) -> tuple[object, ...]:
    # The limits only stop a training; a change of them, or of the credentials, does not change a model.
    source, labels = _place(data.training), data.labels if data.training.captured else None
    rows = {
        **vars(data),
        "training": source,
        "labels": labels and _place(labels),
        "min_rows": None,
        "max_missing": None,
    }
    return model, rows, how.search, how.calibration


def _place(place: Place) -> dict[str, object]:
    return {**vars(place), "secret_ref": None, "sql": place.sql and place.sql.query}


def is_made_from_spec(version: ModelVersion, spec: ModelDeploymentSpec) -> bool:
    """Whether the version was made from exactly this spec, pod resources and timeout included."""
    made = version.spec
    adopted = made.adopt in (None, spec.adopt)
    return adopted and (made.model, made.data, made.training) == (spec.model, spec.data, spec.training)
