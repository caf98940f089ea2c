"""The files of a fitted model: the pipeline's, and beside it the compiled model's."""

import logging

from sklearn.pipeline import Pipeline

from perennial_trainer.compiled.agreement import compiled_file
from perennial_trainer.compiled.file import file_name as compiled_name
from perennial_trainer.contract.task import Model
from perennial_trainer.data.memory import IDLE, memory_limit
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.storage.digest import sha256_digest

COPIES = 10
"""Of the pipeline's file, in memory while it is compiled: a forest of 55 MB took 0.67 GB."""

log = logging.getLogger(__name__)


def model_file_name(model: Model, name: str) -> str:
    return f"{name}.{framework_of(model).file_format(model)}"


def model_files(model: Model, name: str, pipeline: Pipeline, holdout: Rows) -> dict[str, bytes]:
    """The bytes by name: of the pipeline, and of the compiled model if it gives the same answers to the holdout."""
    framework, file = framework_of(model), model_file_name(model, name)
    content = framework.dump_pipeline(pipeline, framework.file_format(model))
    limit = memory_limit()
    if limit is not None and IDLE + COPIES * len(content) > limit:
        log.info("the pipeline itself will answer: to compile %s bytes would take too much memory", len(content))
        return {file: content}
    compiled = compiled_file(pipeline, sha256_digest(content), holdout)
    return {file: content} if compiled is None else {file: content, compiled_name(file): compiled}
