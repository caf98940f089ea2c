"""What the model is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.features import PACKAGED, Features, any_derived, any_text, reads
from perennial_operator.core.api.pod import Object
from perennial_operator.core.api.values import Column, Value


class ModelSpec(Value):
    """What the model is."""

    model_config = rules(
        rule(
            "!(self.target in self.features.numeric) && !(self.target in self.features.categorical)",
            "the target must not be a feature; remove it from model.features",
            message_expression="'target ' + self.target + ' must not be a feature; remove it from model.features'",
            field_path=".target",
        ),
        rule(
            f"!{any_text('self.target')}",
            "the target must not be a feature; remove it from model.features",
            field_path=".features.text",
        ),
        rule(
            f"!{any_derived('d.name == self.target || ' + reads('d', 'self.target'), 'self.features')}",
            "a derived feature reads the target or has its name; the target is not known at prediction",
            field_path=".features.derived",
        ),
        rule(
            "self.framework != 'keras' || self.format != 'skops'",
            "format skops is for scikit-learn; Keras models use Keras's own format; remove format",
            field_path=".format",
        ),
        rule(
            "self.framework == 'custom' || (self.framework == 'keras' ? self.estimator.matches("
            "'^keras([.][A-Za-z_][A-Za-z0-9_]*)+$') : self.estimator.matches('^(sklearn|lightgbm|xgboost)([.][A-Za-z_][A-Za-z0-9_]*)+$')"
            f" || self.estimator.matches('{PACKAGED}'))",
            "give the full name of a class of the framework, such as sklearn.linear_model.LinearRegression",
            message_expression="'estimator ' + self.estimator + ' is not the full name of a class of ' + self.framework"
            " + ' (of sklearn, lightgbm or xgboost with framework sklearn); give one of docs/estimators.md such as "
            "sklearn.linear_model.LinearRegression, <package>:<entry point> of a package that the administrator allows, "
            "or an image of your own with framework custom'",
            field_path=".estimator",
        ),
        rule(
            "self.framework != 'sklearn' || self.format != 'skops' || !self.estimator.contains(':')",
            "format skops stores only the trainer's own estimators; remove format",
            field_path=".format",
        ),
        rule(
            "self.framework == 'custom' || !has(self.features.transformers)"
            " || (self.framework == 'sklearn' && self.format == 'joblib')",
            "transformers are for framework sklearn and format joblib, since skops and keras store only the trainer's own "
            "classes; change these, or remove the transformers",
            field_path=".features.transformers",
        ),
        rule(
            "!has(self.positiveClass) || self.task == 'classification'",
            "positiveClass is for classification; remove it, or set task to classification",
            field_path=".positiveClass",
        ),
    )
    framework: Literal["sklearn", "keras", "custom"] = Field(
        "sklearn",
        description="What trains the model: sklearn (LightGBM and XGBoost, too, which have its interface), keras, or custom "
        "for your own trainer image.",
    )
    format: Literal["joblib", "skops"] = Field(
        "joblib",
        description="How the model is stored: joblib (its digest is checked before it is loaded) "
        "or skops (no code runs at load).",
    )
    estimator: str = Field(
        max_length=200,
        description="Full name of the estimator, from the trainer's allow-list, "
        "for example sklearn.linear_model.LinearRegression or lightgbm.LGBMRegressor; docs/estimators.md has the list. "
        "<package>:<entry point> is one of a package in your own image that the operator's administrator allows.",
    )
    parameters: Object = Field(
        {},
        description="Keyword arguments of the estimator. One that is an estimator itself, as in a stack, has the fields "
        "estimator and parameters, and name in a list.",
    )
    task: Literal["regression", "classification"] = Field(
        "regression", description="What the model predicts: a number (regression) or a class (classification)."
    )
    features: Features = Field(description="The columns the model reads.")
    target: Column = Field(description="The column the model predicts.")
    positive_class: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="The class that f1, precision and recall are of, such as fraud. Default: the greater of two integers, "
        "or true; of two texts these metrics are not measured without it.",
    )
