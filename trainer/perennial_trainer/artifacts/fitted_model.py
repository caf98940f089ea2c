"""The files of a fitted model: the pipeline's, and beside it the compiled model's."""

from sklearn.pipeline import Pipeline

from perennial_trainer.compiled.agreement import compiled_file
from perennial_trainer.compiled.file import file_name as compiled_name
from perennial_trainer.contract.task import Model
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.storage.digest import sha256_digest


def model_file_name(model: Model, name: str) -> str:
    return f"{name}.{framework_of(model).file_format(model)}"


def model_files(model: Model, name: str, pipeline: Pipeline, holdout: Rows) -> dict[str, bytes]:
    """The bytes by name: of the pipeline, and of the compiled model if it gives the same answers to the holdout."""
    framework, file = framework_of(model), model_file_name(model, name)
    content = framework.dump_pipeline(pipeline, framework.file_format(model))
    compiled = compiled_file(pipeline, sha256_digest(content), holdout)
    return {file: content} if compiled is None else {file: content, compiled_name(file): compiled}
