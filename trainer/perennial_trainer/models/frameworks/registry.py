"""The families of estimators, by `model.framework`."""

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Model
from perennial_trainer.models.frameworks import keras, sklearn
from perennial_trainer.models.frameworks.framework import Framework

FRAMEWORKS: dict[str, Framework] = {"sklearn": sklearn, "keras": keras}
DEFAULT_FORMAT = "joblib"  # of a file whose name ends in no known format


def framework_of(model: Model) -> Framework:
    """The model's family of estimators. Raises RejectedTask: FrameworkNotInstalled."""
    if model.framework not in FRAMEWORKS:
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"model.framework {model.framework} is not part of this image, which has {join_names(FRAMEWORKS)}: name an "
            "image with it in training.pod.image",
        )
    return FRAMEWORKS[model.framework]


def framework_of_format(file_format: str) -> Framework:
    """The family that stores files of this format."""
    return next(each for each in FRAMEWORKS.values() if file_format in each.FILE_FORMATS)


def format_of_file(uri: str) -> str:
    """The format that the file's name ends in."""
    ending = uri.rpartition(".")[2]
    known = {file_format for each in FRAMEWORKS.values() for file_format in each.FILE_FORMATS}
    return ending if ending in known else DEFAULT_FORMAT
