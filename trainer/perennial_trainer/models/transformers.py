"""The steps of a pipeline for the transformers of packages that the administrator allows."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from perennial_trainer.contract.features.columns import Features, Transformer
from perennial_trainer.models.estimators import check_parameters
from perennial_trainer.models.frameworks import sklearn
from perennial_trainer.models.frameworks.entry_points import entry_point_class
from perennial_trainer.models.frameworks.framework import TRANSFORMER


def transformer_steps(wanted: Features) -> list[tuple[str, Any, list[str]]]:
    """A step for each of `model.features.transformers`: its name, the unfitted transformer, and its columns.

    Missing values are imputed before, unless the transformer takes them. Raises RejectedTask: PackageNotAllowed,
    FrameworkNotInstalled, UnknownTransformer, InvalidParameter.
    """
    steps: list[tuple[str, Any, list[str]]] = []
    for number, described in enumerate(wanted.transformers):
        transformer = _built(described, f"model.features.transformers[{number}]")
        if not get_tags(transformer).input_tags.allow_nan:
            transformer = make_pipeline(_imputers(wanted, described.columns), transformer)
        steps.append((f"{TRANSFORMER}{number}", transformer, list(described.columns)))
    return steps


def _built(described: Transformer, field: str) -> Any:
    loaded = entry_point_class("transformer", described.transformer, field)
    check_parameters(sklearn, loaded, described.parameters, f"{field}.parameters")
    return loaded(**sklearn.defaults(loaded) | described.parameters)


def _imputers(wanted: Features, columns: tuple[str, ...]) -> ColumnTransformer:
    """The columns in the same order and by their names, as the trainer itself imputes them; a missing text is empty."""
    how = dict.fromkeys(wanted.all_numeric, "median") | dict.fromkeys(wanted.all_categorical, "most_frequent")
    how |= dict.fromkeys(wanted.texts, "constant")
    each = [
        (f"column {number}", SimpleImputer(strategy=how[name], fill_value="", keep_empty_features=True), [name])
        for number, name in enumerate(columns)
    ]
    return ColumnTransformer(each, verbose_feature_names_out=False).set_output(transform="pandas")
