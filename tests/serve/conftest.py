from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from perennial_trainer.contract.task import Features
from perennial_trainer.models.frameworks.sklearn import dump_pipeline
from tests.serve.processes import MIXED, NUMERIC, Server, fitted, running, serve_task, stored


class Deployed(NamedTuple):
    model: Any
    server: Server


def _deployed(folder: Path, wanted: Features, kind: str, target: str, form: str = "joblib") -> Iterator[Deployed]:
    model = fitted(wanted, kind, target)
    uri, sha256 = stored(folder, dump_pipeline(model, form), f"model.{form}")  # type: ignore[arg-type]
    with running(folder, serve_task(uri, sha256, wanted, kind, form)) as server:
        yield Deployed(model, server)


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Features temp, hum (numeric) and season (categorical)."""
    yield from _deployed(tmp_path_factory.mktemp("regression"), MIXED, "regression", "cnt")


@pytest.fixture(scope="session")
def classification(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The classes busy and calm, stored as skops."""
    yield from _deployed(tmp_path_factory.mktemp("classification"), MIXED, "classification", "busy", "skops")


@pytest.fixture(scope="session")
def numeric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Features temp and hum only."""
    yield from _deployed(tmp_path_factory.mktemp("numeric"), NUMERIC, "regression", "cnt")
