"""No column of the data has two roles."""

from perennial_trainer.contract.data import TrainingData
from perennial_trainer.contract.errors import join_names
from perennial_trainer.contract.features.columns import Features


def check_other_columns(data: TrainingData, features: Features, target: str) -> None:
    """The group and the kept columns are not what the model learns from; only features may be allowed to leak."""
    used = {*features.names, *features.inputs, target, data.time_column}
    if data.group_column is not None and data.group_column in used:
        raise ValueError(
            f"data.groupColumn {data.group_column} is also a feature, the target or the time: a group is never one"
        )
    repeated = [name for name in data.keep if name in used]
    if repeated:
        raise ValueError(f"data.keep names {join_names(repeated)}, which the holdout has anyway: remove it there")
    unknown = [name for name in data.allow_leaks if name not in features.names]
    if unknown:
        raise ValueError(f"data.allowLeaks names {join_names(unknown)}, which is not a feature: remove it there")


def check_time_column(name: str | None, features: Features, target: str) -> None:
    """A numeric feature or a calendar's column may also be the time column; a category or the target may not."""
    derived = [each.name for each in features.derived]
    if name is not None and name in (*features.categories, *features.texts, *derived, target):
        raise ValueError(f"data.timeColumn {name} is also a categorical feature or the target: keep one role")
